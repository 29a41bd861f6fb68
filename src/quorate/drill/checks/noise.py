"""The place was quiet enough to measure in: the control's worst gap is at most a quarter of each budget."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding, Phase
from quorate.drill.outages import NOISE_SHARE, client_lateness, worst_gap


def run(history: History) -> Iterable[Finding]:
    """One finding an endpoint, and one on the client itself."""
    tightest = None
    for endpoint, each in history.endpoints.items():
        if not each["judged"]:
            continue
        yield _judge(history, endpoint, each["budget_s"])
        if each["budget_s"]:
            tightest = min(tightest or each["budget_s"], float(each["budget_s"]))
    # In the recovery only where something failed: that may be the client's own doing.
    watched = [
        request
        for request in history.requests
        if request.phase is Phase.FAULT or (request.phase is Phase.RECOVERY and not request.ok)
    ]
    late, said = client_lateness(watched), _busy(history)
    if tightest and late > tightest * NOISE_SHARE:
        yield CHECK.doubt(f"the client itself was {late:.2f} s late, over a quarter of {tightest:g} s{said}")
    else:
        yield CHECK.passed(f"the client was at most {late:.3f} s late{said}")


def _busy(history: History) -> str:
    """What the client's own machine did meanwhile, so far as it was recorded."""
    shares = {str(phase["phase"]): phase["busy"] for phase in history.all("phase") if "busy" in phase}
    said = ", ".join(f"{share:.0%} in the {phase} phase" for phase, share in shares.items())
    return f"; its machine was busy {said}" if said else ""


def _judge(history: History, endpoint: str, budget: float | None) -> Finding:
    control = history.of(endpoint, Phase.CONTROL)
    failed = sum(not request.ok for request in control)
    gap = worst_gap(control)
    if gap is None:
        return CHECK.doubt(
            f"{endpoint}: the control run says nothing ({len(control)} requests, {failed} failed)"
        )
    if failed:
        error = next(request.error for request in control if not request.ok)
        return CHECK.doubt(f"{endpoint}: {failed} of {len(control)} requests failed without any fault", error)
    if budget and gap > budget * NOISE_SHARE:
        return CHECK.doubt(
            f"{endpoint}: {gap:.2f} s without any fault, more than a quarter of its budget {budget:g} s"
        )
    return CHECK.passed(f"{endpoint}: noise floor {gap:.3f} s")


CHECK = Check("noise", "the control run was quiet enough to measure in", run)
