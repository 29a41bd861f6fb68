"""Rules on the networks that Open vSwitch has: those for tunnels and those for guests."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.findings import Finding
from quorate.spec.model import Cluster, Use
from quorate.spec.rules.networks import REQUIRED

FEWEST = 3
"""Chassis: a gateway without any tunnel that is up stays passive (OVN, ha_chassis_group_is_active)."""
LONGEST = 12
"""A bridge is called ``br-`` and its network's name, and an interface's name has at most 15 characters."""


def for_hosts(cluster: Cluster) -> Iterator[Finding]:
    """The nodes' own networks stay theirs: a crash of Open vSwitch must not look like that of a node."""
    for name, network in cluster.networks.items():
        if network.use is Use.HOSTS:
            if network.nic is not None:
                yield Finding(
                    ("networks", name, "nic"),
                    f"nobody has to know the interface of {name}, a network for hosts",
                    "remove this line, or say use: tunnels, or use: guests",
                )
            continue
        if name in REQUIRED:
            yield Finding(
                ("networks", name, "use"),
                f"{name} carries {REQUIRED[name]}, which must not depend on Open vSwitch",
                "add a network of its own for this use",
            )
        if len(name) > LONGEST:
            yield Finding(
                ("networks", name),
                f"{name} has {len(name)} characters, and its bridge on the nodes is called br-{name}",
                f"a network for {network.use.value} has a name of at most {LONGEST} characters",
            )


def one_for_tunnels(cluster: Cluster) -> Iterator[Finding]:
    """One network carries the tunnels, and without one there is nothing to take guests out."""
    tunnels = cluster.networks_for(Use.TUNNELS)
    for name in tunnels[1:]:
        yield Finding(
            ("networks", name, "use"),
            f"{tunnels[0]} carries the tunnels already",
            "have one network for tunnels",
        )
    if not tunnels:
        for name in cluster.networks_for(Use.GUESTS):
            yield Finding(
                ("networks", name, "use"),
                f"{name} is for guests, and no network carries their tunnels",
                "add one, with an address for each node that has guests: tunnel: {cidr: …, use: tunnels}",
            )


def enough_chassis(cluster: Cluster) -> Iterator[Finding]:
    """Three or more: of two, the one that is left takes itself for cut off, and does not take over."""
    count = len(cluster.chassis)
    if cluster.networks_for(Use.GUESTS) and cluster.networks_for(Use.TUNNELS) and count < FEWEST:
        network = cluster.networks_for(Use.TUNNELS)[0]
        yield Finding(
            ("networks", network),
            f"{count} nodes have an address on it, and guests' way out survives the loss of one only among "
            f"{FEWEST}",
            f"give the controllers an address on {network}, too",
        )


def interfaces(cluster: Cluster) -> Iterator[Finding]:
    """Every network of Open vSwitch has an interface of its own."""
    seen: dict[str, str] = {}
    for name, network in cluster.networks.items():
        if network.use is Use.HOSTS:
            continue
        nic = network.nic or name
        if nic in seen:
            yield Finding(
                ("networks", name, "nic"),
                f"{nic} is the interface of {seen[nic]} already",
                "give each its own",
            )
        seen.setdefault(nic, name)


def addresses(cluster: Cluster) -> Iterator[Finding]:
    """Who has guests has an end of the tunnels, and no node is reached where guests are."""
    for name, node in cluster.nodes.items():
        for network in cluster.networks_for(Use.GUESTS):
            if network in node.addresses:
                yield Finding(
                    ("nodes", name, "addresses", network),
                    f"{network} is for guests: nodes have no address on it",
                    "remove this line",
                )
    for network in cluster.networks_for(Use.TUNNELS):
        for name in cluster.computes:
            if network not in cluster.nodes[name].addresses:
                yield Finding(
                    ("nodes", name, "addresses"),
                    f"{name} runs guests and has no address on the network {network}, which carries their "
                    "tunnels",
                    f"add {network}: an address in {cluster.networks[network].cidr}",
                )


RULES = (for_hosts, one_for_tunnels, enough_chassis, interfaces, addresses)
