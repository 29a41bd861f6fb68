"""From a history to a result. Reads nothing but the history, so a run can be judged again at any time."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill import checks
from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.ledger import settle, total
from quorate.drill.model import DrillResult, EndpointSummary, Finding, Outage, Phase, Verdict, merge
from quorate.drill.outages import of_endpoint, worst_gap
from quorate.drill.plugins import discover
from quorate.drill.timeline import attribute


def available() -> dict[str, Check]:
    """Every check, by name."""
    return discover(checks, "CHECK")


def judge(history: History, using: Iterable[Check] | None = None) -> DrillResult:
    """Run the checks (all, unless told) over ``history`` and put everything together."""
    findings = [
        finding
        for check in (available().values() if using is None else using)
        for finding in ask(check, history)
    ]
    endpoints = tuple(_summary(history, name) for name in history.endpoints)
    floors = [each.noise_floor_s for each in endpoints if each.noise_floor_s is not None]
    writing = [name for name, endpoint in history.endpoints.items() if endpoint["writes"]]
    return DrillResult(
        run=str(history.run.get("run", "")),
        fault=str(history.run.get("fault", "")),
        target=str(history.run.get("target", "")),
        service=str(history.run.get("service") or ""),
        verdict=merge(finding.verdict for finding in findings),
        findings=tuple(findings),
        outages=outages(history),
        endpoints=endpoints,
        noise_floor_s=max(floors, default=None),
        writes=total(settle(name, history.requests, history.readbacks) for name in writing),
        timeline=attribute(history),
        history=history.folder,
    )


def ask(check: Check, history: History) -> tuple[Finding, ...]:
    """One check's findings. A check that crashes, or says nothing, is unknown: never a pass."""
    try:
        findings = tuple(check.run(history))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in a check must end as doubt
        return (
            Finding(
                check.name, Verdict.UNKNOWN, "the check itself failed", f"{type(error).__name__}: {error}"
            ),
        )
    return findings or (Finding(check.name, Verdict.UNKNOWN, "the check had nothing to say"),)


def outages(history: History) -> tuple[Outage, ...]:
    """Every outage under the fault and until the cluster was whole, in the order they began."""
    if history.injected is None:
        return ()
    found: list[Outage] = []
    for name in history.endpoints:
        found += of_endpoint(history.faulted(name), history.injected)
    return tuple(sorted(found, key=lambda outage: outage.started_s))


def _summary(history: History, name: str) -> EndpointSummary:
    endpoint = history.endpoints[name]
    under_fault = history.of(name, Phase.FAULT, Phase.RECOVERY)
    judged = bool(endpoint["judged"])
    return EndpointSummary(
        endpoint=name,
        rate_hz=float(endpoint["rate_hz"]),
        sent=len(under_fault),
        failed=sum(not request.ok for request in under_fault),
        worst_gap_s=worst_gap(under_fault),
        noise_floor_s=worst_gap(history.of(name, Phase.CONTROL)) if judged else None,
        budget_s=None if endpoint["budget_s"] is None else float(endpoint["budget_s"]),
    )
