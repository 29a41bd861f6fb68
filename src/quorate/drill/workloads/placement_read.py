"""Read from Placement, as its clients do all day."""

from __future__ import annotations

from quorate.drill.api_read import ApiRead


class PlacementRead(ApiRead):
    """GET of who provides resources."""

    name = "placement-read"
    summary = "lists who provides resources, on kept connections"
    service = "placement"
    path = "/resource_providers"
    key = "resource_providers"


WORKLOAD = PlacementRead
