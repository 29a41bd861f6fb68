"""A virtual IP as a Pacemaker resource."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from quorate.pacemaker.model import Operation, Primitive
from quorate.spec.model import Cluster

AGENT = "ocf:heartbeat:IPaddr2"


def virtual_ip(
    name: str,
    cluster: Cluster,
    address: str,
    *,
    monitor_s: int,
    arp_count: int,
    arp_interval_ms: int,
    meta: Mapping[str, str] | None = None,
) -> Primitive:
    """The resource that has ``address`` on one node, and tells the neighbours where.

    Args:
        name: id of the primitive.
        cluster: its networks say how wide the address's own is.
        address: IPv4.
        monitor_s: how often it is looked for, seconds.
        arp_count: gratuitous ARPs after it came up.
        arp_interval_ms: between two of them, milliseconds.
        meta: meta-attributes.
    """
    return Primitive(
        name,
        AGENT,
        params={
            "ip": address,
            "cidr_netmask": str(_prefix(cluster, address)),
            "arp_count": str(arp_count),
            "arp_interval": str(arp_interval_ms),
        },
        meta=meta or {},
        operations=(
            Operation("start", 0, 40),
            Operation("stop", 0, 60),
            Operation("monitor", monitor_s, 60),
        ),
    )


def _prefix(cluster: Cluster, address: str) -> int:
    for network in cluster.networks.values():
        if IPv4Address(address) in network.cidr:
            return network.cidr.prefixlen
    return 32
