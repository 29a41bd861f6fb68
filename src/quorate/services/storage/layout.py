"""Who is where in the storage cluster: monitors, OSDs with their numbers, and the names that never change."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quorate.errors import SpecError
from quorate.secrets.store import Secrets, write_private
from quorate.spec.model import Cluster

MONITORS = 3
"""How many; an odd number, so that one more failure is survived than with the even one below it."""
REPLICAS, MIN_REPLICAS = 3, 2
"""Copies of everything; with fewer than the second, a placement group takes no writes."""
NUMBERS = "ceph-osds.json"
"""Beside the secrets: which OSD has which number. It only grows."""


@dataclass(frozen=True)
class Osd:
    """One OSD.

    Args:
        node: where it runs.
        number: its id in the cluster.
        uuid: of its store.
        device: the block device that holds it; "" for a file in its folder.
    """

    node: str
    number: int
    uuid: str
    device: str = ""

    @property
    def folder(self) -> str:
        """Its data folder."""
        return f"/var/lib/ceph/osd/ceph-{self.number}"

    @property
    def unit(self) -> str:
        """Its systemd unit."""
        return f"ceph-osd@{self.number}.service"


def check(cluster: Cluster, devices: Mapping[str, Sequence[str]]) -> None:
    """Raise SpecError where the nodes cannot hold three replicas, or a device is on another node."""
    nodes = cluster.storage_nodes
    findings = []
    if len(nodes) < REPLICAS:
        findings.append(
            f"services.ceph: {REPLICAS} replicas need {REPLICAS} nodes with the role storage"
            f" (or, without that role, as many controllers); there are {len(nodes)}"
        )
    findings += [
        f"services.ceph.options.osd_devices.{node}: it is not a storage node"
        for node in devices
        if node not in nodes
    ]
    if findings:
        raise SpecError("the storage cluster cannot be made", tuple(findings))


def monitors(cluster: Cluster) -> dict[str, str]:
    """Node to address, of those that have a monitor and a manager: the first three storage nodes."""
    return {node: cluster.address(node) for node in cluster.storage_nodes[:MONITORS]}


def fsid(secrets: Secrets) -> str:
    """The cluster's own id, made once."""
    return str(uuid.UUID(str(secrets.password("ceph-fsid"))))


def osds(
    cluster: Cluster, secrets: Secrets, per_node: int, devices: Mapping[str, Sequence[str]]
) -> tuple[Osd, ...]:
    """Every OSD, in the order of the nodes. A number once given stays, whatever nodes come and go.

    Args:
        per_node: file-backed OSDs on a node that has no devices.
        devices: node to the block devices that hold an OSD each.
    """
    wanted: dict[str, tuple[str, str]] = {}
    for node in cluster.storage_nodes:
        if devices.get(node):
            wanted |= {f"{node}:{device}": (node, device) for device in devices[node]}
        else:
            wanted |= {f"{node}:{index}": (node, "") for index in range(per_node)}
    given = numbers(secrets.folder / NUMBERS, tuple(wanted))
    space = uuid.UUID(fsid(secrets))
    return tuple(
        Osd(node, given[name], str(uuid.uuid5(space, f"osd.{given[name]}")), device)
        for name, (node, device) in wanted.items()
    )


def numbers(path: Path, names: Sequence[str]) -> dict[str, int]:
    """The number of each of ``names``, out of the file; those that are new get the next ones and are kept."""
    given: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    fresh = [name for name in names if name not in given]
    if fresh:
        start = max(given.values(), default=-1) + 1
        given |= {name: start + index for index, name in enumerate(fresh)}
        write_private(path, (json.dumps(given, indent=1) + "\n").encode())
    return given
