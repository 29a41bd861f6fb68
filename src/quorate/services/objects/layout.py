"""Where the replicas of objects are: devices and zones of the rings, from the spec alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from quorate.errors import SpecError
from quorate.spec.model import Cluster

REPLICAS = 3
FOLDER = "/etc/swift/rings"
"""On the nodes: builders and rings."""


@dataclass(frozen=True)
class Ring:
    """One of Swift's three rings, and the server that answers for it. Ports are Swift's own defaults."""

    name: str
    port: int


ACCOUNT, CONTAINER, OBJECT = Ring("account", 6202), Ring("container", 6201), Ring("object", 6200)
RINGS = (ACCOUNT, CONTAINER, OBJECT)


@dataclass(frozen=True)
class Device:
    """A disk, or a folder, that holds replicas.

    Attributes:
        node: that it is in.
        name: below the root of all devices.
        zone: replicas of one object are in different zones, as far as there are enough.
        weight: its share of the data, relative to the others; 0: it is being emptied.
    """

    node: str
    name: str
    zone: int
    weight: float


def zone(cluster: Cluster, node: str, chosen: Mapping[str, int]) -> int:
    """The zone of ``node``: the chosen one, or one of its own.

    Its own is the number of its address in the cluster network (10.77.0.12 in 10.77.0.0/24: 12). That stays
    the same whatever happens to other nodes; a count would not, and a changed zone moves data.
    """
    if node in chosen:
        return chosen[node]
    network: IPv4Network = cluster.networks["cluster"].cidr
    return int(cluster.nodes[node].addresses["cluster"]) - int(network.network_address)


def devices(
    cluster: Cluster,
    usual: Mapping[str, float],
    exceptions: Mapping[str, Mapping[str, float]],
    zones: Mapping[str, int],
) -> tuple[Device, ...]:
    """Every device of every storage node, in the order of the file.

    Args:
        cluster: the spec.
        usual: device to weight, of a node that is no exception.
        exceptions: node to its devices.
        zones: node to zone, where several share one (a rack).

    Raises:
        SpecError: an exception or a zone is of a node that does not hold data; or there is no device.
    """
    nodes = cluster.storage_nodes
    findings = tuple(
        f"services.swift.options.{option}.{node}: {node} is no storage node; those are {', '.join(nodes)}"
        for option, given in (("exceptions", exceptions), ("zones", zones))
        for node in given
        if node not in nodes
    )
    found = tuple(
        Device(node, name, zone(cluster, node, zones), weight)
        for node in nodes
        for name, weight in exceptions.get(node, usual).items()
    )
    if not any(device.weight > 0 for device in found):
        findings += ("services.swift.options.devices: there is no device with a weight above 0",)
    if findings:
        raise SpecError("the devices of the object store cannot be right", findings)
    return found


def replicas(found: Sequence[Device]) -> int:
    """Three; fewer only where there are not that many devices."""
    return min(REPLICAS, sum(device.weight > 0 for device in found))


def request(
    cluster: Cluster, node: str, found: Sequence[Device], *, part_power: int, min_part_hours: int
) -> dict[str, Any]:
    """What the program swift-rings is asked on ``node`` (templates/swift/rings.py)."""
    return {
        "node": node,
        "keeper": cluster.storage_nodes[0],
        "peers": {peer: cluster.address(peer) for peer in cluster.storage_nodes},
        "folder": FOLDER,
        "part_power": part_power,
        "replicas": replicas(found),
        "min_part_hours": min_part_hours,
        "rings": {
            ring.name: [
                {
                    "ip": cluster.address(device.node),
                    "port": ring.port,
                    "device": device.name,
                    "zone": device.zone,
                    "weight": device.weight,
                }
                for device in found
            ]
            for ring in RINGS
        },
    }
