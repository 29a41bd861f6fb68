"""Services that do not do their job, by their own judgement, node by node."""

from __future__ import annotations

import re
from collections.abc import Iterator

from quorate.operations.observation import Observation
from quorate.operations.problems import Problem, Severity
from quorate.services.base import Health, Judgement

COVERED = frozenset({"pacemaker", "fencing"})
"""What other rules say in more detail, once for the whole cluster."""
DEFAULT_STEP = "on it: journalctl -b, and systemctl --failed"


def judged(seen: Observation) -> Iterator[Problem]:
    """Every judgement that is not ok. A service that is ok nowhere is critical, whatever each node says."""
    for service in (name for name in seen.modes if name not in COVERED):
        findings = list(seen.findings(service))
        worst_everywhere = bool(findings) and not any(
            finding.judgement.health in (Health.OK, Health.DEGRADED) for finding in findings
        )
        for finding in findings:
            judgement = finding.judgement
            if judgement.health is Health.OK or _explained(seen, judgement):
                continue
            severity = Severity.CRITICAL if worst_everywhere else Severity.WARNING
            said = judgement.text or f"it is {judgement.health}"
            yield Problem(f"{service}: {said}", finding.node, judgement.next_step or DEFAULT_STEP, severity)


def _explained(seen: Observation, judgement: Judgement) -> bool:
    """Whether it is only less redundant for want of a node that is known to be gone: one problem, not ten."""
    named = [name for name in seen.looks if re.search(rf"\b{re.escape(name)}\b", judgement.text)]
    gone = bool(named) and not any(seen.online(name) for name in named)
    return judgement.health is Health.DEGRADED and gone


RULES = (judged,)
