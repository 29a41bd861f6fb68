"""Read from Nova, as its clients do all day."""

from __future__ import annotations

from quorate.drill.api_read import ApiRead


class NovaRead(ApiRead):
    """GET of a server: from the database of its cell, past the API's own one."""

    name = "nova-read"
    summary = "lists a server, on kept connections"
    service = "nova"
    path = "/v2.1/servers?limit=1"
    key = "servers"


WORKLOAD = NovaRead
