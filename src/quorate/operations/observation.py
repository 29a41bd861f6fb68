"""What one look at a cluster found: every node's own words, not yet judged against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from quorate.pacemaker.state import ClusterState
from quorate.services.base import Judgement
from quorate.spec.model import Cluster, Mode

STARTING_S = 120.0
"""How long a node may take until everything runs on it: Galera may have to copy its data first."""


class Power(StrEnum):
    """Whether a node has power, as its BMC says. *Unknown* is not off."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One service on one node: its own judgement, and the state that it judged ({} if none came)."""

    service: str
    node: str
    judgement: Judgement
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeLook:
    """What one node said, or why it said nothing.

    Args:
        reachable: it answered over SSH.
        why: where it did not: the reason, in a line.
        power: as its BMC says; asked only of nodes that did not answer.
        view: what its Pacemaker believes of the whole cluster; None where Pacemaker does not run there.
        why_no_view: the reason for that, in a line.
        addresses: that it has on its interfaces; None where it could not be asked.
        uptime_s: since it started.
        clock_ahead_s: its clock minus ours, or 0 where that is within what the trip took.
        disks: path to the percentage used.
        findings: every service's on this node.
    """

    node: str
    reachable: bool
    why: str = ""
    power: Power = Power.UNKNOWN
    view: ClusterState | None = None
    why_no_view: str = ""
    addresses: frozenset[str] | None = None
    uptime_s: float = float("inf")
    clock_ahead_s: float = 0.0
    disks: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Observation:
    """One look at all nodes.

    Args:
        cluster: as it should be.
        modes: service name to mode, every service of the cluster.
        vips: service name to virtual IP.
        vip_resources: virtual IP to the Pacemaker resource that moves it.
        looks: node name to what it said, every node of the cluster.
        homes: a clone of Pacemaker's to the nodes that each run one of it; all controllers where left out.
    """

    cluster: Cluster
    modes: Mapping[str, Mode]
    vips: Mapping[str, str]
    vip_resources: Mapping[str, str]
    looks: Mapping[str, NodeLook]
    homes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def reachable(self) -> tuple[str, ...]:
        """The nodes that answered, in the order of the spec."""
        return tuple(name for name, look in self.looks.items() if look.reachable)

    @property
    def views(self) -> Mapping[str, ClusterState]:
        """Node to its view of the cluster, for those that have one."""
        return {name: look.view for name, look in self.looks.items() if look.view is not None}

    @property
    def view(self) -> ClusterState | None:
        """The view to believe: a quorate one before another, and the elected node's own before its peers'."""
        ranked = sorted(self.views.items(), key=lambda item: (not item[1].quorate, item[1].dc != item[0]))
        return ranked[0][1] if ranked else None

    def online(self, node: str) -> bool:
        """Whether ``node`` is a member that may run resources, by the view to believe."""
        state = self.view.node(node) if self.view else None
        return state is not None and state.online and not state.pending

    def starting(self, node: str) -> bool:
        """Whether ``node`` has been up for so short that not everything can run on it yet."""
        return self.looks[node].reachable and self.looks[node].uptime_s < STARTING_S

    def holders(self, address: str) -> tuple[str, ...]:
        """The nodes that have ``address`` on an interface.

        A node that could not be asked counts where the cluster says that the address runs there.
        """
        held = [name for name, look in self.looks.items() if look.addresses and address in look.addresses]
        resource = self.vip_resources.get(address)
        if self.view and resource:
            silent = (node for node in self.view.holders(resource) if node in self.looks)
            held += [node for node in silent if self.looks[node].addresses is None and node not in held]
        return tuple(held)

    def states(self, service: str) -> Mapping[str, Mapping[str, Any]]:
        """Node to what was read of ``service`` there, for the nodes on which it could be read."""
        return {found.node: found.state for found in self.findings(service) if found.state}

    def findings(self, service: str) -> Iterator[Finding]:
        """Every node's findings on ``service``."""
        for look in self.looks.values():
            yield from (finding for finding in look.findings if finding.service == service)
