"""Services that Pacemaker runs through their systemd unit, with the agent `ocf:quorate:unit`."""

from __future__ import annotations

from quorate.pacemaker.model import Clone, Operation, Primitive

AGENT = "ocf:quorate:unit"
WARMUP_S = 90
"""From the start of a unit until its service has to answer; meanwhile nobody asks it."""


def http_clone(
    name: str, unit: str, url: str, *, deadline_s: int, monitor_s: float, monitor_timeout_s: float
) -> Clone:
    """An HTTP service on every node at once. It needs quorum, nobody's fencing, and no other service.

    Args:
        name: id of the primitive.
        unit: its systemd unit, with the suffix.
        url: on the node itself; a GET of it has to answer below 400.
        deadline_s: for one such answer.
        monitor_s: how often it is asked.
        monitor_timeout_s: how long one monitor may take, its patience included.
    """
    check = {"check": "http", "target": url, "deadline": str(deadline_s), "warmup": str(WARMUP_S)}
    primitive = Primitive(
        name,
        AGENT,
        params={"unit": unit, **check},
        meta={"requires": "quorum", "failure-timeout": "60s", "migration-threshold": "5"},
        operations=(
            Operation("start", timeout_s=120),
            Operation("stop", timeout_s=60),
            Operation("monitor", interval_s=monitor_s, timeout_s=monitor_timeout_s),
        ),
    )
    return Clone(primitive, {"interleave": "true"})
