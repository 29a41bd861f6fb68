"""What a fault may cost a client: seconds without service (upper bound). The same table: docs/drills.md."""

from __future__ import annotations

POWER_OFF = {
    "keystone-token": 3.0,
    "keystone-read": 3.0,
    "horizon-page": 3.0,
    "database-write": 2.5,
    "message-publish": 2.5,
}
"""The promise for the loss of any one controller."""
BLACKOUT_S = 300.0
"""From the cut to the first good answer after a dark data centre, the dark time included."""
KILL = {"keystone-read": 0.0, "keystone-token": 2.0, "horizon-page": 2.0}
"""A crash of an API: reads are sent again to another server, so none may fail. The dashboard is none: its
first page after a start loads the whole application."""
HANG = {"keystone-token": 2.0, "keystone-read": 2.0, "horizon-page": 2.0}
STORES = {"database-write": 2.5, "message-publish": 2.5}
"""A crash or a hang of the database or the broker itself."""
DEPENDS = {
    "keystone": {"galera", "haproxy", "memcached"},
    "horizon": {"galera", "haproxy", "memcached", "keystone"},
    "galera": {"haproxy"},
}
"""What each service cannot do its job without."""
DEPENDENT_S = 3.0
BYSTANDER_S = 2.0
"""For an endpoint that has nothing to do with the fault: it may notice a busy machine."""


def budget(fault: str, service: str, endpoint: str, endpoint_service: str) -> float | None:
    """Seconds that ``endpoint`` may be away; 0 means that no request may fail; None: nothing promised.

    Args:
        fault: its name.
        service: whose processes are hit; "" for a whole node.
        endpoint: the workload's name.
        endpoint_service: whose front end it uses.
    """
    if fault == "blackout":
        return BLACKOUT_S
    if fault == "power-off":
        return POWER_OFF.get(endpoint)
    if service == endpoint_service:
        own = KILL if fault == "kill" else HANG if fault == "hang" else {}
        return own.get(endpoint, STORES.get(endpoint))
    if service in DEPENDS.get(endpoint_service, ()):
        return DEPENDENT_S
    return BYSTANDER_S
