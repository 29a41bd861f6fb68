"""Where the seconds went: the nodes' own logs, in one clock with the client's. Pure.

The nodes' lines carry wall-clock times; ``line_wall`` in the history is already corrected by each node's
measured clock offset. What is attributed, in the order in which it usually happens:

    cut             the fault was injected (the client's own record)
    token late      corosync misses the token, has not given up yet (corosync.conf(5), token_warning)
    detected        corosync: a processor failed, the token timed out (corosync.conf(5), token)
    membership      corosync formed a membership (again)
    view            Galera changed its view
    server out      HAProxy took a server out (the first of the balancers that did), or put it back
    fenced          pacemaker-fenced: the BMC confirmed that the node is off
    VIP started     a virtual IP's start operation succeeded
    storage starting, started   a service's file system is going to be mounted; a part of it works
    first answer    the first good answer after an endpoint's last failure (the client's record)
    healed, whole   the fault was taken away; the cluster is whole again
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from quorate.drill.history import History
from quorate.drill.model import Phase, TimelineEntry
from quorate.drill.outages import of_endpoint


@dataclass(frozen=True)
class Sign:
    """A pattern in a log line, and what a match means. A group ``subject`` names what it is about."""

    what: str
    pattern: re.Pattern[str]


SIGNS = (
    Sign("token late", re.compile(r"Token has not been received in (?P<subject>\d+ ms)")),
    Sign("detected", re.compile(r"A processor failed, forming new configuration")),
    Sign("membership", re.compile(r"A new membership \((?P<subject>[^)]*)\) was formed")),
    Sign("link", re.compile(r"\[KNET *\] link: (?P<subject>host: \d+ link: \d+) is (?:down|up)")),
    Sign("no quorum", re.compile(r"This node is within the non-primary component|Quorum lost")),
    Sign(
        "fencing",
        re.compile(
            r"Requesting fencing \((?:reboot|off|on)\) (?:of node|targeting node) (?P<subject>[\w.-]+)"
        ),
    ),
    Sign(
        "fenced",
        re.compile(
            r"Operation '(?:reboot|off)'(?: \[\d+\])? targeting (?P<subject>[\w.-]+) .*: (?:OK|complete)"
        ),
    ),
    Sign(
        "fence failed",
        re.compile(
            r"Operation '(?:reboot|off)'(?: \[\d+\])? targeting (?P<subject>[\w.-]+) .*: (?!OK|complete)"
        ),
    ),
    Sign("VIP started", re.compile(r"Result of start operation for (?P<subject>vip[\w-]*) on [\w.-]+: OK")),
    Sign(
        "storage starting",
        re.compile(r"Requesting local execution of start operation for (?P<subject>[\w-]+)-disk on [\w.-]+"),
    ),
    Sign(
        "started",
        re.compile(r"Result of start operation for (?P<subject>[\w-]+-(?:disk|unit|agent)) on [\w.-]+: OK"),
    ),
    Sign("server out", re.compile(r"Server (?P<subject>\S+/\S+) is DOWN")),
    Sign("server back", re.compile(r"Server (?P<subject>\S+/\S+) is UP")),
    Sign(
        "view",
        re.compile(
            r"WSREP: (?:Received )?(?:New cluster view|view\(view_id\((?P<subject>\w+)|turning isolation)"
        ),
    ),
    Sign("view", re.compile(r"WSREP: suspecting node: (?P<subject>\S+)")),
    Sign("broker", re.compile(r"rabbit on node '?(?P<subject>rabbit@[\w.-]+?)'? (?:down|up)")),
)
FIRST_ONLY = frozenset({"token late", "detected", "fenced", "server out", "server back", "broker", "link"})


def read(message: str) -> tuple[str, str] | None:
    """What a log line means, and what it is about; None where it means nothing here."""
    for sign in SIGNS:
        match = sign.pattern.search(message)
        if match:
            return sign.what, match.groupdict().get("subject") or ""
    return None


def attribute(history: History) -> tuple[TimelineEntry, ...]:
    """The timeline of a run, relative to the injection. Empty where nothing was injected."""
    injected, zero = history.first("injected"), history.injected
    if injected is None or zero is None:
        return ()
    zero_wall = float(injected.get("began_wall", injected["wall"]))
    entries = [*_from_client(history, zero), *_from_journals(history, zero_wall)]
    return tuple(sorted(entries, key=lambda entry: entry.t_s))


def _from_client(history: History, zero: float) -> Iterator[TimelineEntry]:
    injected = history.first("injected")
    assert injected is not None
    yield TimelineEntry(0.0, "cut", str(history.run["target"]), str(injected["evidence"]))
    for what, kind in (("healed", "healed"), ("whole", "recovered")):
        record = history.first(kind)
        if record is not None:
            yield TimelineEntry(float(record["t"]) - zero, what, "", str(record["evidence"]))
    for endpoint in history.endpoints:
        requests = history.of(endpoint, Phase.FAULT, Phase.RECOVERY)
        for outage in of_endpoint(requests, zero):
            last = zero + outage.started_s + outage.lower_s
            good = [request.done for request in requests if request.ok and request.sent > last]
            if good:
                text = f"{endpoint} answers again, {outage.failed} of {outage.sent} failed before"
                yield TimelineEntry(min(good) - zero, "first answer", "client", text)


def _from_journals(history: History, zero_wall: float) -> Iterator[TimelineEntry]:
    seen: set[tuple[str, str, str, str]] = set()
    for line in sorted(history.all("journal"), key=lambda line: float(line["line_wall"])):
        entry = TimelineEntry(
            float(line["line_wall"]) - zero_wall, str(line["what"]), str(line["node"]), str(line["line"])
        )
        # What every survivor logs is told once, by the first of them; the rest stays in the history.
        once = entry.what in FIRST_ONLY
        key = (
            entry.what,
            "" if once else entry.node,
            "" if once else f"{entry.t_s:.0f}",
            str(line["subject"]),
        )
        if key not in seen:
            seen.add(key)
            yield entry
