"""The cluster.yaml that a lab gets when none is handed in: the whole platform on five machines."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from ruamel.yaml import YAML

from quorate.errors import PreconditionError
from quorate.spec.model import Cluster

CONTROLLERS = ("c1", "c2", "c3")
COMPUTES = ("n1", "n2")
NODES = (*CONTROLLERS, *COMPUTES)
NETWORKS = {
    "cluster": "Corosync link 0, database, messages, storage",
    "api": "virtual IPs, Corosync link 1",
    "bmc": "power switches of the nodes",
    "tunnel": "between guests on different nodes (Geneve)",
    "provider": "the guests' way out: floating IPs",
}
"""What each network of a slot is for, in order."""
USES = {"tunnel": "tunnels", "provider": "guests"}
SLOTS = 256 // len(NETWORKS)
"""Out of 10.77.0.0/16 (RFC 1918): 10.77.0-4, 10.77.5-9, …"""
SERVICES = (
    ("galera", "vip"),
    ("rabbitmq", ""),
    ("memcached", ""),
    # Its passwords are long and random: nobody guesses them, and checking one takes 0.2 s of CPU by default.
    # Three processes are more than two cores can run.
    ("keystone", "vip, options: {password_hash_rounds: 6, processes: 1}"),
    ("horizon", "vip"),
    ("ceph", ""),
    ("placement", "vip"),
    ("glance", "vip"),
    # A pass of the replicators asks after each partition that has objects: some 5% of two cores, by default.
    ("swift", "vip, options: {replicate_every_s: 120}"),
    ("ovn", ""),
    ("neutron", "vip, options: {external: {}}"),
    ("nova", "vip"),
    ("etcd", ""),
    ("cinder", "vip"),
    ("cinder-volume", ""),
    ("nova-compute", "options: {reserved_host_memory_mib: 512}"),
)
"""What runs, and what is said of it; "vip" stands for the next address."""


def networks(slot: int) -> dict[str, IPv4Network]:
    """The networks of a slot, by name."""
    first = len(NETWORKS) * slot
    return {name: IPv4Network(f"10.77.{first + index}.0/24") for index, name in enumerate(NETWORKS)}


def free_slot(taken: Iterable[IPv4Network]) -> int:
    """The lowest slot whose networks overlap none of ``taken``.

    Raises:
        PreconditionError: there is none.
    """
    used = list(taken)
    for slot in range(SLOTS):
        if not any(mine.overlaps(theirs) for mine in networks(slot).values() for theirs in used):
            return slot
    raise PreconditionError(
        "every network of 10.77.0.0/16 is in use on this host",
        next_step="hand in a cluster.yaml with other networks",
    )


def cluster_yaml(name: str, slot: int) -> str:
    """The text of a cluster.yaml for a lab: everything on three controllers and two computes."""
    nets = networks(slot)
    lines = ["apiVersion: quorate/v1", f"cluster: {name}", "networks:"]
    for network, its in nets.items():
        use = f", use: {USES[network]}" if network in USES else ""
        lines.append(f"  {network + ':':9} {{cidr: {its}{use}}}   # {NETWORKS[network]}")
    lines.append("nodes:")
    for index, node in (*enumerate(CONTROLLERS, 11), *enumerate(COMPUTES, 21)):
        where = {"cluster": index, "api": index, "bmc": index + 100, "tunnel": index}
        addresses = ", ".join(f"{network}: {nets[network][host]}" for network, host in where.items())
        lines += [
            f"  {node}:",
            f"    roles: [{'controller, storage' if node in CONTROLLERS else 'compute'}]",
            f"    addresses: {{{addresses}}}",
            f"    bmc: {{address: {nets['bmc'][index]}, user: admin, password_file: secrets/bmc-{node}}}",
        ]
    lines.append("services:")
    address = 101
    for service, words in SERVICES:
        if words.startswith("vip"):
            words = words.replace("vip", f"vip: {nets['api'][address]}", 1)
            address += 1
        lines.append(f"  {service + ':':14} {{{words}}}")
    return "\n".join(lines) + "\n"


def cluster(name: str) -> Cluster:
    """What `cluster_yaml` says, in the first slot's networks: enough to know which services there will be."""
    return Cluster.model_validate(YAML(typ="safe").load(cluster_yaml(name, 0)))
