"""Rules on virtual IPs that need no knowledge of services."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.findings import Finding
from quorate.spec.model import Cluster
from quorate.spec.rules.addresses import belongs, free

NETWORK = "api"
"""Virtual IPs live here."""


def inside_api(cluster: Cluster) -> Iterator[Finding]:
    """Every virtual IP is a host's address in the api network."""
    if NETWORK not in cluster.networks:
        return
    if cluster.vips.address:
        yield from belongs(cluster, cluster.vips.address, NETWORK, ("vips", "address"))
    for name, service in cluster.services.items():
        if service.vip:
            yield from belongs(cluster, service.vip, NETWORK, ("services", name, "vip"))


def policy(cluster: Cluster) -> Iterator[Finding]:
    """One virtual IP a service, or one for all: not half of each."""
    vips = cluster.vips
    if vips.policy == "per-service":
        if vips.address:
            yield Finding(
                ("vips", "address"),
                "an address for all, though the policy gives each service its own",
                "remove it, or say policy: shared",
            )
        return
    if vips.address is None:
        proposed = free(cluster, NETWORK, 1)
        yield Finding(
            ("vips",),
            "the policy is shared, but there is no address to share",
            f"add address: {proposed[0]}, which is free" if proposed else "add address: …",
        )
    for name, service in cluster.services.items():
        if service.vip:
            yield Finding(
                ("services", name, "vip"),
                "a virtual IP of its own, though the policy is shared",
                "remove it, or say policy: per-service",
            )


RULES = (inside_api, policy)
