"""Rules on addresses: each belongs to its network and to one owner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from quorate.spec.findings import Finding, Path, warning
from quorate.spec.model import Cluster


@dataclass(frozen=True)
class Owned:
    """An address, whose it is, and where the file says so. ``port`` tells BMCs behind one address apart."""

    address: IPv4Address
    owner: str
    path: Path
    port: int = 0


def owned(cluster: Cluster) -> Iterator[Owned]:
    """Every address in the file, in its order of importance: nodes, BMCs, virtual IPs."""
    for name, node in cluster.nodes.items():
        for network, address in node.addresses.items():
            yield Owned(address, f"{name} on {network}", ("nodes", name, "addresses", network))
    for name, node in cluster.nodes.items():
        if node.bmc:
            yield Owned(
                node.bmc.address, f"the BMC of {name}", ("nodes", name, "bmc", "address"), node.bmc.port
            )
    if cluster.vips.address:
        yield Owned(cluster.vips.address, "the shared virtual IP", ("vips", "address"))
    for name, service in cluster.services.items():
        if service.vip:
            yield Owned(service.vip, f"the virtual IP of {name}", ("services", name, "vip"))


def taken_twice(cluster: Cluster) -> Iterator[Finding]:
    """No address has two owners. Several BMCs may share one address on different ports (a BMC gateway)."""
    seen: list[Owned] = []
    for mine in owned(cluster):
        clash = next(
            (
                other
                for other in seen
                if other.address == mine.address
                and (not mine.port or not other.port or mine.port == other.port)
            ),
            None,
        )
        if clash:
            yield Finding(
                mine.path, f"{mine.address} is already {clash.owner}", "give it an address of its own"
            )
        seen.append(mine)


def in_their_network(cluster: Cluster) -> Iterator[Finding]:
    """A node's address is a host's address in the network that it is listed under."""
    for name, node in cluster.nodes.items():
        for network, address in node.addresses.items():
            if network in cluster.networks:
                yield from belongs(cluster, address, network, ("nodes", name, "addresses", network))


def belongs(cluster: Cluster, address: IPv4Address, network: str, path: Path) -> Iterator[Finding]:
    """``address`` is a host's address in ``network``."""
    cidr = cluster.networks[network].cidr
    if address not in cidr:
        yield Finding(
            path, f"{address} is outside the network {network} ({cidr})", _proposal(cluster, network)
        )
    elif address in (cidr.network_address, cidr.broadcast_address):
        which = "network" if address == cidr.network_address else "broadcast"
        yield Finding(path, f"{address} is the {which} address of {cidr}", _proposal(cluster, network))


def bmc_reachable(cluster: Cluster) -> Iterator[Finding]:
    """A BMC has a host's address. Outside the bmc network it may be right (routed): only pointed out."""
    network = cluster.networks.get("bmc")
    for name, node in cluster.nodes.items():
        if node.bmc is None:
            continue
        address, path = node.bmc.address, ("nodes", name, "bmc", "address")
        if address.is_multicast or address.is_unspecified or address.is_reserved:
            yield Finding(path, f"{address} is not the address of a host")
        elif network and address not in network.cidr:
            yield warning(
                path,
                f"{address} is outside the network bmc ({network.cidr})",
                "make sure that every controller has a route to it that no other network's failure cuts",
            )


def free(cluster: Cluster, network: str, count: int) -> list[IPv4Address]:
    """Up to ``count`` addresses of ``network`` that nothing in the file has; above the virtual IPs first."""
    if network not in cluster.networks:
        return []
    cidr = cluster.networks[network].cidr
    used = {item.address for item in owned(cluster)}
    vips = [item.address for item in owned(cluster) if item.path[0] != "nodes" and item.address in cidr]
    size = cidr.num_addresses
    start = int(max(vips)) - int(cidr.network_address) if vips else 100 if size > 200 else size // 2
    found: list[IPv4Address] = []
    for offset in range(1, min(size, 4096)):
        candidate = cidr.network_address + (start + offset) % size
        if candidate not in used and candidate not in (cidr.network_address, cidr.broadcast_address):
            found.append(candidate)
            if len(found) == count:
                break
    return found


def _proposal(cluster: Cluster, network: str) -> str:
    proposed = free(cluster, network, 1)
    return f"{proposed[0]} is free" if proposed else "the network is full"


RULES = (taken_twice, in_their_network, bmc_reachable)
