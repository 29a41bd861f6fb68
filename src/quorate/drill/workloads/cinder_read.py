"""Read from Cinder, as its clients do all day."""

from __future__ import annotations

from quorate.drill.api_read import ApiRead


class CinderRead(ApiRead):
    """GET of a volume."""

    name = "cinder-read"
    summary = "lists a volume, on kept connections"
    service = "cinder"
    path = "/v3/{project}/volumes?limit=1"
    key = "volumes"


WORKLOAD = CinderRead
