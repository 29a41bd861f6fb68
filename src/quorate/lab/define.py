"""From cluster.yaml to machines: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from quorate.errors import SpecError
from quorate.lab.hardware import BmcAddress, Machine, Nic, SharedDisk
from quorate.lab.layout import LINK_MAX, bridge_name, link_name, mac
from quorate.spec.findings import dotted
from quorate.spec.model import Cluster, Use
from quorate.spec.rules.addresses import owned

SSH_PORT, SSH_USER = 22, "root"
SHARED_BELOW = ("/dev/disk/", "/dev/mapper/")
"""Where a machine can see a shared disk: where stable paths are, and none of its own devices."""
DISK_MIB = 8192
"""The disk of a machine; the file is sparse, so only what is written takes room."""


def machines(
    lab: str, cluster: Cluster, images: Mapping[str, str], home: Path, disk_mib: int = DISK_MIB
) -> dict[str, Machine]:
    """The machine of every node.

    Args:
        lab: the lab's name.
        images: node to the key of the image that it boots from.
        home: what the paths in the spec are relative to.

    Raises:
        SpecError: an address, a file or a way to log in is one that a lab cannot give them.
    """
    findings = [
        f"nodes.{name}.addresses.{network}: {address} is not in {cluster.networks[network].cidr}"
        if network in cluster.networks
        else f"nodes.{name}.addresses.{network}: there is no network {network}"
        for name, node in cluster.nodes.items()
        for network, address in node.addresses.items()
        if network not in cluster.networks or address not in cluster.networks[network].cidr
    ]
    findings += [
        f"nodes.{name}.bmc.address: {node.bmc.address} is in none of the networks"
        for name, node in cluster.nodes.items()
        if node.bmc and network_of(cluster, str(node.bmc.address)) is None
    ]
    findings += [
        f"networks.{name}: at most {LINK_MAX} characters" for name in cluster.networks if len(name) > LINK_MAX
    ]
    findings += [*_reached(cluster), *_hosts_own(cluster), *_elsewhere(cluster), *_disks_elsewhere(cluster)]
    if findings:
        raise SpecError("the lab cannot make these machines", tuple(findings))
    return {name: _machine(lab, cluster, name, images[name], home, disk_mib) for name in cluster.nodes}


def _reached(cluster: Cluster) -> Iterator[str]:
    """A machine's SSH server listens where the image says, and lets in root alone."""
    if cluster.ssh.port != SSH_PORT:
        yield f"ssh.port: machines of a lab listen on {SSH_PORT}, not {cluster.ssh.port}"
    if cluster.ssh.user != SSH_USER:
        yield f"ssh.user: machines of a lab let in {SSH_USER}, not {cluster.ssh.user}"


def _hosts_own(cluster: Cluster) -> Iterator[str]:
    """This host has the first address of every network; BMCs are this host's as well, so they may have it."""
    for item in owned(cluster):
        name = network_of(cluster, str(item.address))
        is_bmc = item.path[-2:] == ("bmc", "address")
        if name and not is_bmc and item.address == next(cluster.networks[name].cidr.hosts()):
            yield f"{dotted(item.path)}: {item.address} is this host's own address in the network {name}"


def _elsewhere(cluster: Cluster) -> Iterator[str]:
    """The lab makes the keys and passwords: only in the cluster's own folder, never over others."""
    files = {"ssh.key": cluster.ssh.key, "ssh.known_hosts": cluster.ssh.known_hosts}
    files |= {
        f"nodes.{name}.bmc.password_file": node.bmc.password_file
        for name, node in cluster.nodes.items()
        if node.bmc
    }
    for place, file in files.items():
        path = Path(file)
        if path.is_absolute() or {"..", "~"} & set(path.parts):
            yield f"{place}: {file} is outside the lab's folder; the lab makes this file: say {path.name}"


def _disks_elsewhere(cluster: Cluster) -> Iterator[str]:
    """A machine has no disks of its own making: shared ones stand where stable paths do."""
    for name, service in cluster.services.items():
        if service.storage and not service.storage.device.startswith(SHARED_BELOW):
            below = " or ".join(SHARED_BELOW)
            yield f"services.{name}.storage.device: in a lab it has to be below {below}"


def shared_disks(cluster: Cluster, node: str) -> tuple[SharedDisk, ...]:
    """The disks of the services that may run on ``node``; one that several name is as big as the largest."""
    sizes: dict[str, int] = {}
    for service in cluster.services.values():
        if service.enabled and service.storage and node in (service.nodes or cluster.controllers):
            device = service.storage.device
            sizes[device] = max(service.storage.size_mib, sizes.get(device, 0))
    return tuple(SharedDisk(device, size) for device, size in sizes.items())


def network_of(cluster: Cluster, address: str) -> str | None:
    """The name of the network that ``address`` lies in."""
    return next((name for name, net in cluster.networks.items() if IPv4Address(address) in net.cidr), None)


def bmc_addresses(cluster: Cluster, network: str) -> tuple[str, ...]:
    """The addresses of the BMCs that lie in ``network``."""
    return tuple(
        str(node.bmc.address)
        for node in cluster.nodes.values()
        if node.bmc and network_of(cluster, str(node.bmc.address)) == network
    )


def _plugged(cluster: Cluster, name: str) -> Iterator[tuple[str, IPv4Address]]:
    """The networks that a node has a card in, and its address there; where it has none, the network's own."""
    yield from cluster.nodes[name].addresses.items()
    if name in cluster.chassis:
        for network in cluster.networks_for(Use.GUESTS):
            yield network, cluster.networks[network].cidr.network_address


def _machine(lab: str, cluster: Cluster, name: str, image: str, home: Path, disk_mib: int) -> Machine:
    node = cluster.nodes[name]
    nics = tuple(
        Nic(
            network=network,
            link=link_name(lab, name, network),
            bridge=bridge_name(lab, network),
            mac=mac(lab, name, network),
            address=f"{address}/{cluster.networks[network].cidr.prefixlen}",
            kernel=cluster.networks[network].use is Use.HOSTS,
        )
        for network, address in _plugged(cluster, name)
    )
    bmc = None
    if node.bmc:
        password_file = str(home / node.bmc.password_file)
        bmc = BmcAddress(str(node.bmc.address), node.bmc.port, node.bmc.user, password_file)
    return Machine(name, image, nics, bmc, disk_mib, shared_disks(cluster, name))
