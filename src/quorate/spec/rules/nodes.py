"""Rules on the nodes: how many, what they need."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.findings import Finding, meant
from quorate.spec.model import Cluster

ON_EVERY_NODE = ("cluster", "api")


def controller_count(cluster: Cluster) -> Iterator[Finding]:
    """Odd, three or more: of n members a majority survives the loss of (n - 1) // 2 (votequorum(5))."""
    count = len(cluster.controllers)
    if count == 0:
        yield Finding(("nodes",), "there is no controller", "give three nodes the role controller")
    elif count == 1:
        yield Finding(
            ("nodes",), "one controller is not highly available: when it is down, all is down", "have three"
        )
    elif count % 2 == 0:
        survives = (count - 1) // 2
        yield Finding(
            ("nodes",),
            f"{count} controllers survive the loss of {survives}, no more than {count - 1} do, "
            "and a split in halves stops both",
            "have three" if count == 2 else f"have {count - 1} or {count + 1}",
        )


def roles(cluster: Cluster) -> Iterator[Finding]:
    """Every node is for something, said once."""
    for name, node in cluster.nodes.items():
        if not node.roles:
            yield Finding(
                ("nodes", name, "roles"), f"{name} has no role", "give it one, or leave the node out"
            )
        elif len(set(node.roles)) != len(node.roles):
            yield Finding(("nodes", name, "roles"), "a role is listed twice", "list it once")


def fencing(cluster: Cluster) -> Iterator[Finding]:
    """Every node can be fenced: what may still be running must never be started elsewhere."""
    for name, node in cluster.nodes.items():
        if node.bmc is None:
            yield Finding(
                ("nodes", name),
                f"{name} has no BMC, so nobody can make sure that it is off",
                "add bmc: {address: …, user: …, password_file: …}",
            )


def networks_of_nodes(cluster: Cluster) -> Iterator[Finding]:
    """Every node is on the networks that it needs, and only on networks that there are."""
    known = list(cluster.networks)
    for name, node in cluster.nodes.items():
        for network in node.addresses:
            if network not in cluster.networks:
                yield Finding(
                    ("nodes", name, "addresses", network),
                    f"there is no network {network!r}",
                    meant(network, known, "networks"),
                    relies_on=("networks", network),
                )
        for network in ON_EVERY_NODE:
            if network in cluster.networks and network not in node.addresses:
                yield Finding(
                    ("nodes", name, "addresses"),
                    f"{name} has no address on the network {network}",
                    f"add {network}: an address in {cluster.networks[network].cidr}",
                )


RULES = (controller_count, roles, fencing, networks_of_nodes)
