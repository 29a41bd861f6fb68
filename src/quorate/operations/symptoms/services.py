"""Services that do not do their job, by their own judgement, node by node."""

from __future__ import annotations

import re
from collections.abc import Iterator

from quorate.operations.observation import Finding, Observation
from quorate.operations.problems import Problem, Severity
from quorate.operations.symptoms.replicas import HAPROXY
from quorate.services.base import Health
from quorate.spec.model import Mode

COVERED = frozenset({"pacemaker", "fencing"})
"""What other rules say in more detail, once for the whole cluster."""
DEFAULT_STEP = "on it: journalctl -b, and systemctl --failed"


def judged(seen: Observation) -> Iterator[Problem]:
    """Every judgement that is not ok. A service that is ok nowhere is critical, whatever each node says."""
    for service in (name for name in seen.modes if name not in COVERED):
        findings = list(seen.findings(service))
        nowhere = bool(findings) and not any(_serves(finding) for finding in findings)
        settled = any(not seen.starting(finding.node) for finding in findings)
        for finding in findings:
            judgement = finding.judgement
            if judgement.health is Health.OK or _explained(seen, finding):
                continue
            if seen.starting(finding.node) and (settled or not nowhere):
                continue
            felt = nowhere or _alone(seen, finding)
            severity = Severity.CRITICAL if felt else Severity.WARNING
            said = judgement.text or f"it is {judgement.health}"
            yield Problem(f"{service}: {said}", finding.node, judgement.next_step or DEFAULT_STEP, severity)


def starting(seen: Observation) -> Iterator[Problem]:
    """Nodes that have just been switched on: what is not ready yet is one problem, and waiting mends it."""
    for look in seen.looks.values():
        late = [one.service for one in look.findings if one.judgement.health is not Health.OK]
        late = [name for name in dict.fromkeys(late) if name not in COVERED]
        late += ["its place in the cluster"] if not seen.online(look.node) else []
        if seen.starting(look.node) and late:
            yield Problem(
                f"it started {look.uptime_s:.0f} s ago; not ready yet: {', '.join(late)}",
                look.node,
                "wait; its services start and catch up by themselves",
            )


def _alone(seen: Observation, finding: Finding) -> bool:
    """Whether clients depend on this node alone: the active one of an active/passive service, broken."""
    moves = seen.modes.get(finding.service) is Mode.ACTIVE_PASSIVE
    here = bool(finding.state.get("active") or finding.state.get("vip"))
    return moves and here and finding.judgement.health is Health.FAILED


def _serves(finding: Finding) -> bool:
    return finding.judgement.health in (Health.OK, Health.DEGRADED)


def _explained(seen: Observation, finding: Finding) -> bool:
    """Whether it only lacks what is known to be gone and is a problem of its own already: one, not ten."""
    if finding.judgement.health is not Health.DEGRADED:
        return False
    if finding.service == HAPROXY:
        return _servers_explained(seen, finding)
    text = finding.judgement.text
    named = [name for name in seen.looks if re.search(rf"\b{re.escape(name)}\b", text)]
    return bool(named) and not any(seen.online(name) for name in named)


def _servers_explained(seen: Observation, finding: Finding) -> bool:
    """Whether every server left out here is on a lost node, or says itself that it is unfit."""
    down = [
        (backend, server)
        for backend, servers in finding.state.get("servers", {}).items()
        for server, state in servers.items()
        if not str(state).startswith("UP")
    ]
    unfit = {
        (each.service, each.node)
        for look in seen.looks.values()
        for each in look.findings
        if each.judgement.health is not Health.OK
    }
    return bool(down) and all(
        not seen.online(server) or any((service, server) in unfit for service in _services(backend, seen))
        for backend, server in down
    )


def _services(backend: str, seen: Observation) -> list[str]:
    """The services that a back end may be of: it is called like its service, or like it and its port."""
    return [name for name in seen.modes if backend == name or backend.startswith(f"{name}-")]


RULES = (starting, judged)
