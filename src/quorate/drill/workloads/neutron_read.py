"""Read from Neutron, as its clients do all day."""

from __future__ import annotations

from quorate.drill.api_read import ApiRead


class NeutronRead(ApiRead):
    """GET of a network."""

    name = "neutron-read"
    summary = "lists a network, on kept connections"
    service = "neutron"
    path = "/v2.0/networks?limit=1&fields=id"
    key = "networks"


WORKLOAD = NeutronRead
