"""The fault is certainly gone, and the cluster came back whole without a person's help."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding


def run(history: History) -> Iterable[Finding]:
    """One finding on the fault, one on the cluster."""
    if history.injected is None and history.first("intent") is None:
        yield CHECK.doubt("nothing was injected, so there was nothing to heal")
        return
    healed = history.first("healed")
    if healed is None:
        yield CHECK.failed("there is no proof that the fault was taken away")
    else:
        yield CHECK.passed("the fault is gone", str(healed["evidence"]))
    recovered = history.first("recovered")
    if recovered is None and history.first("end") is None:
        yield CHECK.doubt("nobody stayed to see whether the cluster became whole again")
    elif recovered is None:
        why = "; ".join(str(problem["text"]) for problem in history.all("problem"))
        yield CHECK.failed("the cluster was not seen to become whole again", why)
    else:
        since = (
            f" {recovered['t'] - history.injected:.1f} s after the fault"
            if history.injected is not None
            else ""
        )
        yield CHECK.passed(f"the cluster was whole again{since}", str(recovered["evidence"]))


CHECK = Check("healed", "the fault is gone and the cluster is whole", run)
