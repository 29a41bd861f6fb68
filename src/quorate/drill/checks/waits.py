"""Where nobody can confirm that a node is off, what it had stays down until they can, and status says why."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding, Phase

GRACE_S = 1.0
"""After the fault: answers that were under way."""


def run(history: History) -> Iterable[Finding]:
    """Two findings an endpoint that had to wait: that it did, and that it was explained; or one for all."""
    waiting = [name for name, endpoint in history.endpoints.items() if endpoint.get("waits")]
    if not waiting:
        yield CHECK.passed("nothing had to wait for a confirmation")
    for endpoint in waiting:
        yield _unavailable(history, endpoint)
    for service in sorted({str(history.endpoints[name].get("service", name)) for name in waiting}):
        yield _explained(history, service)


def _unavailable(history: History, endpoint: str) -> Finding:
    injected, healing = history.injected, history.first("heal")
    if injected is None or healing is None:
        return CHECK.doubt(f"{endpoint}: the fault was never injected, or never ended")
    during = [
        request
        for request in history.of(endpoint, Phase.FAULT, Phase.RECOVERY)
        if request.sent > injected + GRACE_S and request.done < float(healing["t"])
    ]
    good = [request for request in during if request.ok]
    if good:
        victim = history.run["target"]
        return CHECK.failed(
            f"{endpoint}: {len(good)} of {len(during)} requests were served, and nobody had confirmed that "
            f"{victim} is off"
        )
    if not during:
        return CHECK.doubt(f"{endpoint}: nobody asked while it had to wait")
    return CHECK.passed(f"{endpoint}: stayed down until the node was confirmed off ({len(during)} requests)")


def _explained(history: History, service: str) -> Finding:
    said = history.first("status")
    if said is None:
        return CHECK.doubt(f"{service}: nobody asked what status says")
    victim = str(history.run["target"])
    for problem in said["problems"]:
        text = f"{problem['where']}: {problem['what']}"
        if problem["severity"] == "critical" and service in text and victim in text:
            return CHECK.passed(f"{service}: status says why it is down", f"{text}. {problem['next_step']}")
    texts = "; ".join(f"{problem['where']}: {problem['what']}" for problem in said["problems"])
    return CHECK.failed(f"{service}: status does not say why it is down", texts or "it found nothing wrong")


CHECK = Check("waits", "unavailable beats corrupt: what cannot be confirmed off is waited for, and said", run)
