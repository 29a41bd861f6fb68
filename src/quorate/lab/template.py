"""The cluster.yaml that a lab gets when none is handed in."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from quorate.errors import PreconditionError

NODES = ("c1", "c2", "c3")
SLOTS = 84
"""Three networks each out of 10.77.0.0/16 (RFC 1918): 10.77.0-2, 10.77.3-5, …"""


def networks(slot: int) -> tuple[IPv4Network, IPv4Network, IPv4Network]:
    """The cluster, API and BMC networks of a slot."""
    first, second, third = (IPv4Network(f"10.77.{3 * slot + index}.0/24") for index in range(3))
    return first, second, third


def free_slot(taken: Iterable[IPv4Network]) -> int:
    """The lowest slot whose networks overlap none of ``taken``.

    Raises:
        PreconditionError: there is none.
    """
    used = list(taken)
    for slot in range(SLOTS):
        if not any(mine.overlaps(theirs) for mine in networks(slot) for theirs in used):
            return slot
    raise PreconditionError(
        "every network of 10.77.0.0/16 is in use on this host",
        next_step="hand in a cluster.yaml with other networks",
    )


def cluster_yaml(name: str, slot: int, nodes: Iterable[str] = NODES) -> str:
    """The text of a cluster.yaml for a lab: three controllers on three networks, the identity plane."""
    cluster, api, bmc = networks(slot)
    lines = [
        "apiVersion: quorate/v1",
        f"cluster: {name}",
        "networks:",
        f"  cluster: {{cidr: {cluster}}}   # Corosync link 0, database, messages",
        f"  api:     {{cidr: {api}}}   # virtual IPs, Corosync link 1",
        f"  bmc:     {{cidr: {bmc}}}   # power switches of the nodes",
        "nodes:",
    ]
    for index, node in enumerate(nodes, 11):
        lines += [
            f"  {node}:",
            "    roles: [controller]",
            f"    addresses: {{cluster: {cluster[index]}, api: {api[index]}, bmc: {bmc[index + 100]}}}",
            f"    bmc: {{address: {bmc[index]}, user: admin, password_file: secrets/bmc-{node}}}",
        ]
    lines += [
        "services:",
        f"  galera:    {{vip: {api[103]}}}",
        "  rabbitmq:  {}",
        "  memcached: {}",
        f"  keystone:  {{vip: {api[101]}}}",
        f"  horizon:   {{vip: {api[102]}}}",
    ]
    return "\n".join(lines) + "\n"
