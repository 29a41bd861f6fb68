"""How a cluster is: what its nodes say, joined, and judged. Pure; the asking is `operations.survey`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quorate.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNKNOWN
from quorate.operations.diagnosis import diagnose
from quorate.operations.observation import Finding, Observation
from quorate.operations.problems import Problem, Severity
from quorate.operations.symptoms.replicas import GALERA, RABBITMQ, brokers, primary, writer
from quorate.operations.symptoms.resources import FENCING
from quorate.services.base import Health

WORST_FIRST = (Health.FAILED, Health.UNKNOWN, Health.DEGRADED, Health.OK)


@dataclass(frozen=True)
class Status:
    """One look at a cluster, judged."""

    seen: Observation
    problems: tuple[Problem, ...]

    @property
    def healthy(self) -> bool:
        """Nothing is wrong: what is only worth knowing does not count."""
        return bool(self.seen.reachable) and all(one.severity is Severity.INFO for one in self.problems)

    @property
    def quorate(self) -> bool:
        """Whether a majority is together and may act."""
        return any(view.quorate for view in self.seen.views.values())

    @property
    def exit_code(self) -> int:
        """0 healthy, 1 not, 2 where nobody could be asked."""
        if not self.seen.reachable:
            return EXIT_UNKNOWN
        return EXIT_PASS if self.healthy else EXIT_FAIL

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        view = self.seen.view
        return {
            "cluster": self.seen.cluster.cluster,
            "healthy": self.healthy,
            "quorate": self.quorate,
            "dc": view.dc if view else "",
            "nodes": [self._node(name) for name in self.seen.looks],
            "vips": [self._vip(service, address) for service, address in self.seen.vips.items()],
            "services": [self._service(name) for name in self.seen.modes],
            "galera": self._galera(),
            "rabbitmq": self._rabbitmq(),
            "fencing": self._fencing(),
            "problems": [problem.as_json() for problem in self.problems],
        }

    def _node(self, name: str) -> dict[str, Any]:
        look, state = self.seen.looks[name], self.seen.view.node(name) if self.seen.view else None
        return {
            "name": name,
            "votes": name in self.seen.cluster.controllers,
            "online": self.seen.online(name),
            "reachable": look.reachable,
            "unclean": state is not None and state.unclean,
            "standby": state is not None and state.standby,
            "maintenance": state is not None and state.maintenance,
            "pending": state is not None and state.pending,
            "power": "on" if look.reachable else str(look.power),
            "why": look.why,
        }

    def _vip(self, service: str, address: str) -> dict[str, Any]:
        holders = self.seen.holders(address)
        return {
            "name": service,
            "address": address,
            "holder": holders[0] if holders else None,
            "holders": list(holders),
        }

    def _service(self, name: str) -> dict[str, Any]:
        by_node: dict[str, list[Finding]] = {}
        for finding in self.seen.findings(name):
            by_node.setdefault(finding.node, []).append(finding)
        nodes = []
        for node, findings in by_node.items():
            worst = min(findings, key=lambda finding: WORST_FIRST.index(finding.judgement.health))
            text = "; ".join(one.judgement.text for one in findings if one.judgement.text)
            nodes.append({"node": node, "state": str(worst.judgement.health), "text": text})
        return {"name": name, "mode": str(self.seen.modes[name]), "nodes": nodes}

    def _galera(self) -> dict[str, Any] | None:
        if GALERA not in self.seen.modes:
            return None
        members = primary(self.seen)
        return {
            "size": max((int(state.get("size", 0)) for state in members.values()), default=0),
            "expected": len(self.seen.cluster.controllers),
            "synced": [node for node, state in members.items() if state.get("comment") == "Synced"],
            "writer": writer(self.seen) or None,
        }

    def _rabbitmq(self) -> dict[str, Any] | None:
        if RABBITMQ not in self.seen.modes:
            return None
        members = {node: brokers(state) for node, state in self.seen.states(RABBITMQ).items()}
        return {
            "members": sorted({member for seen in members.values() for member in seen}),
            "expected": len(self.seen.cluster.controllers),
            "seen_by": members,
        }

    def _fencing(self) -> dict[str, Any]:
        view = self.seen.view
        devices = [one for one in view.resources if one.agent.startswith(FENCING)] if view else []
        return {
            "devices": [
                {
                    "name": device.id,
                    "runs_on": device.nodes[0] if device.nodes else None,
                    "state": "failed" if device.failed or not device.nodes else "tested",
                }
                for device in devices
            ],
            "recent": [
                {
                    "target": event.target,
                    "action": event.action,
                    "status": event.status,
                    "by": event.delegate,
                    "completed": event.completed,
                }
                for event in (view.fencing if view else ())
            ],
        }


def status(seen: Observation) -> Status:
    """Judge ``seen``."""
    return Status(seen, diagnose(seen))
