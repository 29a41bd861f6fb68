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
CUT_OFF = frozenset({"freeze", "isolate", "isolate-management", "bmc-dead", "bmc-slow"})
"""A node that is lost without losing power at once, or whose power is not known to be lost."""
CUT_OFF_S = 5.0
"""For the platform's services then: none of them waits for the fence."""
LOST = CUT_OFF | {"power-off"}
"""Everything by which one node is lost as a whole."""
CLOUD_LOST_S = 5.0
"""New requests to the APIs of the cloud, and guests behind a gateway, when any one node is lost."""
CLOUD_HIT_S = 5.0
"""A crash or a hang of one server of such an API: HAProxy is patient with them."""
OWN_LOST_S = {
    "power-off": 4.0,
    "freeze": 4.0,
    "isolate": 4.0,
    "isolate-management": 4.0,
    "bmc-dead": 4.0,
    "bmc-slow": 30.0,
    "blackout": BLACKOUT_S,
}
"""A service on one node at a time, from the fault to its page: membership, fence, file system, start. A slow
BMC is waited for; with a dead one this holds only where the service was on another node."""
OWN_SPREAD_S = {
    "power-off": 3.0,
    "freeze": 4.0,
    "isolate": 4.0,
    "isolate-management": 4.0,
    "bmc-dead": 4.0,
    "bmc-slow": 4.0,
    "blackout": BLACKOUT_S,
}
"""A service on several nodes behind HAProxy: only its address moves."""
OWN_MOVE_S = 1.0
"""A planned move."""
OWN_KILL_S, OWN_HANG_S = 5.0, 15.0
"""On top of the monitor's interval, by which Pacemaker notices: a new start after a crash; after a hang also
the monitor's patience (4 s), its deadline, and a stop that has to be forced."""
HANG_SPREAD_S = 2.0
"""A crash or a hang of one server of several behind HAProxy."""
PLANE = frozenset({"galera", "haproxy", "memcached"})
API = PLANE | {"keystone"}
DEPENDS = {
    "keystone": PLANE,
    "horizon": API,
    "galera": {"haproxy"},
    "swift": {"haproxy", "memcached", "keystone"},
    "glance": API | {"ceph"},
    "placement": API,
    "neutron": API | {"ovn"},
    "nova": API | {"rabbitmq", "placement", "nova-compute"},
    "cinder": API | {"rabbitmq", "ceph"},
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
    if fault in CUT_OFF:
        return CUT_OFF_S
    if fault == "bmc-lying":
        return None
    if fault == "power-off":
        return POWER_OFF.get(endpoint)
    if service == endpoint_service:
        own = KILL if fault == "kill" else HANG if fault == "hang" else {}
        return own.get(endpoint, STORES.get(endpoint))
    if service in DEPENDS.get(endpoint_service, ()):
        return DEPENDENT_S
    return BYSTANDER_S


def of_cloud(fault: str, service: str, endpoint: str, endpoint_service: str) -> float | None:
    """The same for what came with the whole platform; the arguments are those of `budget`."""
    if fault in LOST:
        return CLOUD_LOST_S
    if service == endpoint_service and fault in ("kill", "hang"):
        return CLOUD_HIT_S
    return budget(fault, service, endpoint, endpoint_service)


def of_own(fault: str, *, hit: bool, shared: bool, interval_s: float) -> float | None:
    """The same for the page of a service of the user's own.

    Args:
        fault: its name.
        hit: the fault is to this service's own processes, or moves it.
        shared: it is on one node at a time (active/passive).
        interval_s: how often Pacemaker asks it.
    """
    lost = (OWN_LOST_S if shared else OWN_SPREAD_S).get(fault)
    if lost is not None or fault == "bmc-lying":
        return lost
    if not hit:
        return BYSTANDER_S
    if not shared:
        return HANG_SPREAD_S
    return {"move": OWN_MOVE_S, "kill": interval_s + OWN_KILL_S, "hang": interval_s + OWN_HANG_S}.get(fault)
