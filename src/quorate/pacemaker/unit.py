"""Services that Pacemaker runs through their systemd unit, with the agent `ocf:quorate:unit`."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.pacemaker.model import Clone, Operation, Primitive

AGENT = "ocf:quorate:unit"
SETTLE_S = "20"
"""For so long a monitor asks again, seconds, before a service has failed. Starting one costs a busy node more
than it gains: a crash systemd has mended sooner, and from one that hangs HAProxy has taken the clients."""
STARVED = "80"
"""Pressure on a node's processors, percent, from which on late is not failed: otherwise all restart together,
each start costs seconds of CPU, and what was slow stays down (docs/decisions/0016)."""
WARMUP_S = 300
"""From the start of a unit until its service has to answer; no monitor asks it before (HAProxy does). A node
that comes back starts a dozen of them at once."""


def http_clone(
    name: str,
    unit: str,
    url: str,
    *,
    deadline_s: int,
    monitor_s: float,
    monitor_timeout_s: float,
    held: bool = True,
) -> Clone:
    """An HTTP service on every node at once. It needs quorum, nobody's fencing, and no other service.

    Args:
        name: id of the primitive.
        unit: its systemd unit, with the suffix.
        url: on the node itself; a GET of it has to answer below 400.
        deadline_s: for one such answer.
        monitor_s: how often it is asked.
        monitor_timeout_s: how long one monitor may take, its patience included.
        held: when new, it is not started before what it works on has been made; see `Clone`.
    """
    check = {"check": "http", "target": url, "deadline": str(deadline_s), "settle": SETTLE_S}
    check |= {"warmup": str(WARMUP_S), "starved": STARVED}
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
    return Clone(primitive, {"interleave": "true"}, held=held)


def daemon_clone(
    name: str,
    unit: str,
    command: Sequence[str],
    *,
    deadline_s: int = 30,
    monitor_s: float = 30,
    monitor_timeout_s: float = 90,
    warmup_s: int = WARMUP_S,
) -> Clone:
    """A worker without a port on every node at once. It needs quorum, nobody's fencing, and no other service.

    When new, it is not started before what it works on has been made; see `Clone`.

    Args:
        name: id of the primitive.
        unit: its systemd unit, with the suffix.
        command: a program on the node and its arguments, without spaces in them: it has to end with 0.
        deadline_s: for one run of it; long, where what it waits for has deadlines of its own.
        monitor_s: how often it is run.
        monitor_timeout_s: how long one monitor may take, its patience included.
        warmup_s: how long the worker may take from its start until the command has to say yes.

    Raises:
        ValueError: an argument has a space in it; the agent splits there.
    """
    if any(" " in word for word in command):
        raise ValueError(f"{name}: no spaces in the arguments of its check")
    check = {"check": "command", "target": " ".join(command), "deadline": str(deadline_s)}
    primitive = Primitive(
        name,
        AGENT,
        params={"unit": unit, **check, "warmup": str(warmup_s), "settle": SETTLE_S, "starved": STARVED},
        meta={"requires": "quorum", "failure-timeout": "60s", "migration-threshold": "5"},
        operations=(
            Operation("start", timeout_s=120),
            Operation("stop", timeout_s=60),
            Operation("monitor", interval_s=monitor_s, timeout_s=monitor_timeout_s),
        ),
    )
    return Clone(primitive, {"interleave": "true"}, held=True)
