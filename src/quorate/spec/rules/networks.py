"""Rules on the networks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from quorate.spec.findings import Finding
from quorate.spec.model import Cluster

REQUIRED = {
    "cluster": "membership, database and messages",
    "api": "virtual IPs and the second membership link",
    "bmc": "fencing",
}
SMALLEST = 29
"""Prefix length of the smallest network that holds three nodes and a virtual IP (six addresses)."""


def required(cluster: Cluster) -> Iterator[Finding]:
    """The networks cluster, api and bmc are there."""
    for name, use in REQUIRED.items():
        if name not in cluster.networks:
            yield Finding(
                ("networks",),
                f"there is no network {name!r}, which carries {use}",
                f"add {name}: {{cidr: …}}",
            )


def overlapping(cluster: Cluster) -> Iterator[Finding]:
    """No two networks share addresses."""
    for (one, first), (two, second) in combinations(cluster.networks.items(), 2):
        if first.cidr.overlaps(second.cidr):
            yield Finding(
                ("networks", two, "cidr"),
                f"{second.cidr} overlaps with the network {one} ({first.cidr})",
                "give each network addresses of its own",
            )


def usable(cluster: Cluster) -> Iterator[Finding]:
    """Hosts can live in it."""
    for name, network in cluster.networks.items():
        cidr = network.cidr
        if cidr.is_multicast or cidr.is_loopback or cidr.is_unspecified or cidr.is_link_local:
            yield Finding(
                ("networks", name, "cidr"),
                f"{cidr} is not for hosts on a shared network",
                "use private addresses (RFC 1918), e.g. 10.77.0.0/24",
            )
        elif cidr.prefixlen > SMALLEST:
            yield Finding(
                ("networks", name, "cidr"),
                f"{cidr} has room for {max(cidr.num_addresses - 2, 0)} hosts",
                f"it takes at least a /{SMALLEST}",
            )


RULES = (required, overlapping, usable)
