"""Where OVN is, for every service that has to know: pure, from the spec alone. No service itself."""

from __future__ import annotations

from quorate.spec.model import Cluster, Use

NB_PORT, SB_PORT = 6641, 6642
"""Where clients find the northbound and the southbound database, on every controller's cluster address."""
NB_RAFT_PORT, SB_RAFT_PORT = 6643, 6644
SB_NORTHD_PORT = 6646
"""The southbound database for northd alone: who is silent here is given up sooner, and with it its lock."""
MANAGER = "ptcp:6640:127.0.0.1"
"""Where Open vSwitch's own database can be changed on each chassis: os-vif's default (tcp:127.0.0.1:6640)."""
INTEGRATION_BRIDGE = "br-int"
"""OVN's own bridge, which guests are plugged into."""
GENEVE_BYTES = 58
"""What a tunnel adds to a packet (Geneve with OVN's option, IPv4): 1500 on the wire is 1442 for guests."""


def northbound(cluster: Cluster) -> str:
    """What clients of the northbound database connect to (Neutron's ``ovn_nb_connection``): all members."""
    return _members(cluster, NB_PORT)


def southbound(cluster: Cluster) -> str:
    """What clients of the southbound database connect to (Neutron's ``ovn_sb_connection``): all members."""
    return _members(cluster, SB_PORT)


def southbound_of_northd(cluster: Cluster) -> str:
    """What northd connects to: the same database."""
    return _members(cluster, SB_NORTHD_PORT)


def _members(cluster: Cluster, port: int) -> str:
    return ",".join(f"tcp:{cluster.address(node)}:{port}" for node in cluster.controllers)


def bridge(network: str) -> str:
    """The bridge of a network that Open vSwitch has, on every chassis."""
    return f"br-{network}"


def interface(cluster: Cluster, network: str) -> str:
    """The interface that a chassis has on ``network``."""
    return cluster.networks[network].nic or network


def physical_networks(cluster: Cluster) -> tuple[str, ...]:
    """The names by which Neutron knows the networks for guests: as in the spec."""
    return cluster.networks_for(Use.GUESTS)


def bridge_mappings(cluster: Cluster) -> str:
    """Physical network to bridge, as OVN and Neutron write it: ``provider:br-provider``."""
    return ",".join(f"{network}:{bridge(network)}" for network in physical_networks(cluster))


def tunnel_address(cluster: Cluster, node: str) -> str:
    """Where the tunnels to ``node`` end. Raises KeyError where it is no chassis."""
    return cluster.address(node, cluster.networks_for(Use.TUNNELS)[0])
