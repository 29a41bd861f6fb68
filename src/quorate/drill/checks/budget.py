"""No endpoint was away for longer than its budget (upper bound). Budget 0: not one failed request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding, Phase, Request
from quorate.drill.outages import NOISE_SHARE, of_endpoint, worst_gap

ZERO_MEANS_S = 2.0
"""How quiet a place must be where the budget is 0: as quiet as for this one."""
FEWEST = 10
"""Requests under the fault below which an endpoint was not watched closely enough to say anything."""


def run(history: History) -> Iterable[Finding]:
    """One finding an endpoint that has a budget."""
    if history.injected is None:
        yield CHECK.doubt("the fault was never injected")
        return
    budgeted = {
        name: each["budget_s"] for name, each in history.endpoints.items() if each["budget_s"] is not None
    }
    waits = any(each.get("waits") for each in history.endpoints.values())
    if not budgeted and waits:
        yield CHECK.passed("what was hit has to wait, for as long as it takes")
    elif not budgeted:
        yield CHECK.doubt("no endpoint has a budget for this fault")
    for endpoint, budget in budgeted.items():
        yield _judge(history, endpoint, float(budget), history.injected)


def _judge(history: History, endpoint: str, budget: float, injected: float) -> Finding:
    requests = history.of(endpoint, Phase.FAULT, Phase.RECOVERY)
    # Over budget in a place that is as bad without a fault says nothing about the cluster.
    over = CHECK.failed if _quiet(history.of(endpoint, Phase.CONTROL), budget) else CHECK.doubt
    if len(requests) < FEWEST:
        return CHECK.doubt(f"{endpoint}: only {len(requests)} requests were sent under the fault")
    failed = sum(not request.ok for request in requests)
    outages = of_endpoint(history.faulted(endpoint), injected)
    if any(not request.ok and request.done < injected for request in requests):
        return CHECK.doubt(f"{endpoint}: did not answer well even before the fault")
    if budget == 0:
        if failed:
            first = next(request for request in requests if not request.ok)
            return over(
                f"{endpoint}: {failed} of {len(requests)} requests failed, 0 are allowed", first.error
            )
        return CHECK.passed(f"{endpoint}: none of {len(requests)} requests failed")
    endless = next((outage for outage in outages if outage.upper_s is None), None)
    if endless is not None:
        return over(
            f"{endpoint}: went away {endless.started_s:.1f} s after the fault and was not seen to return"
        )
    gap = worst_gap(requests)
    worst = max([outage.upper_s or 0.0 for outage in outages] + [gap or 0.0])
    text = (
        f"{endpoint}: away for at most {worst:.2f} s, {failed} of {len(requests)} requests failed; "
        f"budget {budget:g} s"
    )
    return over(text) if worst > budget else CHECK.passed(text)


def _quiet(control: Sequence[Request], budget: float) -> bool:
    noise = worst_gap(control)
    limit = NOISE_SHARE * (budget or ZERO_MEANS_S)
    return noise is not None and noise <= limit and all(request.ok for request in control)


CHECK = Check("budget", "no endpoint is away for longer than its budget", run)
