"""What a well-formed cluster.yaml can still get wrong. One pure function a rule: cluster in, findings out."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.catalogue import Catalogue
from quorate.spec.findings import Finding
from quorate.spec.model import Cluster
from quorate.spec.rules import addresses, guests, networks, nodes, own, services, vips


def judge(cluster: Cluster, catalogue: Catalogue | None = None) -> Iterator[Finding]:
    """Every rule's findings.

    Args:
        cluster: what to judge.
        catalogue: the services that there are; without it their rules are left out.
    """
    for rule in (*networks.RULES, *guests.RULES, *nodes.RULES, *addresses.RULES, *vips.RULES):
        yield from rule(cluster)
    if catalogue is not None:
        for service_rule in (*services.RULES, *own.RULES):
            yield from service_rule(cluster, catalogue)
