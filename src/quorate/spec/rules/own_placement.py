"""Rules on where a service of the user's own runs."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.catalogue import Catalogue
from quorate.spec.findings import Finding, meant
from quorate.spec.model import Cluster
from quorate.spec.own import nodes_of
from quorate.spec.rules.own_things import mine, place


def nodes(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """It runs on controllers: they are the members of the cluster, and can be fenced."""
    for name, spec in mine(cluster, catalogue):
        said: set[str] = set()
        for index, node in enumerate(spec.nodes):
            path = place(name, "nodes", index)
            if node not in cluster.nodes:
                yield Finding(
                    path, f"there is no node {node!r}", meant(node, list(cluster.nodes), "nodes"),
                    relies_on=("nodes", node),
                )  # fmt: skip
            elif node not in cluster.controllers:
                yield Finding(
                    path,
                    f"{node} is no controller, and Pacemaker runs services only on those",
                    "give it the role controller, or leave it out here",
                    relies_on=("nodes", node),
                )
            elif node in said:
                yield Finding(path, f"{node} is listed twice", "list it once")
            said.add(node)
        there = nodes_of(cluster, spec)
        if spec.nodes and len(there) == 1 and said <= set(cluster.controllers):
            yield Finding(
                place(name, "nodes"),
                f"it may run on {there[0]} only: when that is down, it is down",
                "name two nodes or more; a third controller is enough for the quorum",
            )


def preferred(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """A preferred node is one that it may run on; who goes back has somewhere to go."""
    for name, spec in mine(cluster, catalogue):
        if spec.failback and not spec.prefer:
            yield Finding(
                place(name, "failback"), "there is no preferred node to go back to", "add prefer: a node"
            )
        if spec.prefer and spec.prefer not in nodes_of(cluster, spec):
            allowed = list(nodes_of(cluster, spec))
            yield Finding(
                place(name, "prefer"),
                f"it may not run on {spec.prefer!r}",
                meant(spec.prefer, allowed, "nodes"),
            )


RULES = (nodes, preferred)
