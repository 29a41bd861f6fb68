"""What the rules on services of the user's own share."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.catalogue import Catalogue
from quorate.spec.findings import Path
from quorate.spec.model import Cluster, ServiceSpec
from quorate.spec.rules.addresses import free


def mine(cluster: Cluster, catalogue: Catalogue) -> Iterator[tuple[str, ServiceSpec]]:
    """The services of the user's own, by name, in the order of the file."""
    for name, spec in cluster.services.items():
        if spec.own and name not in catalogue:
            yield name, spec


def place(name: str, *keys: str | int) -> Path:
    """Where a key of a service is."""
    return ("services", name, *keys)


def address(cluster: Cluster) -> str:
    """An unused address for a virtual IP, in words."""
    proposed = free(cluster, "api", 1)
    return f"{proposed[0]}, which is free" if proposed else "an address of the api network"
