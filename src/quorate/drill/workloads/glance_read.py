"""Read from Glance, as its clients do all day."""

from __future__ import annotations

from quorate.drill.api_read import ApiRead


class GlanceRead(ApiRead):
    """GET of an image's record."""

    name = "glance-read"
    summary = "lists an image, on kept connections"
    service = "glance"
    path = "/v2/images?limit=1"
    key = "images"


WORKLOAD = GlanceRead
