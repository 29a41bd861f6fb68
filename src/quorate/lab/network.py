"""The lab's networks: a bridge each, which the lab owns, and a link for each network card of each machine.

Bridges reach nothing outside: no address translation, no route. An interface's alias says whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from quorate.errors import LabError
from quorate.lab.hardware import Nic
from quorate.lab.layout import alias, bridge_name, mac, parse_alias
from quorate.lab.run import run

NET = Path("/sys/class/net")
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


def batch(commands: Iterable[str], *, what: str = "", check: bool = True) -> None:
    """Run ``ip`` commands in one call. With ``check`` off, those that fail are passed over (ip -force)."""
    text = "\n".join(commands)
    if text:
        argv = ["ip", "-batch", "-"] if check else ["ip", "-force", "-batch", "-"]
        run(
            argv,
            stdin=text + "\n",
            timeout_s=20,
            what=what or "the network could not be changed",
            check=check,
        )


def owned() -> dict[str, dict[str, str]]:
    """Every interface of every lab on this host: its name, and what its alias says (lab, node, network)."""
    found = {}
    for path in NET.iterdir():
        try:
            parsed = parse_alias((path / "ifalias").read_text())
        except OSError:
            continue  # it went while we looked
        if parsed:
            found[path.name] = parsed
    return found


def exists(name: str) -> bool:
    """Whether this host has an interface of that name."""
    return (NET / name).exists()


def ensure_bridge(lab: str, network: str, cidr: IPv4Network, extra: Sequence[str] = ()) -> str:
    """Make the bridge of a network, with this host's address in it: the first of the network.

    Args:
        extra: further addresses of this host in it (the BMCs').

    Returns:
        The bridge's name.

    Raises:
        LabError: an interface of that name exists and is not this lab's, or it cannot be made.
    """
    name = bridge_name(lab, network)
    mine = owned().get(name)
    if mine is None and exists(name):
        raise LabError(
            f"an interface {name} exists and does not belong to the lab",
            next_step="choose another name with --name",
        )
    commands = []
    if mine is None:
        commands += [
            f"link add name {name} address {mac(lab, network)} "
            "type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f'link set dev {name} alias "{alias(lab, network=network)}"',
        ]
    first = next(cidr.hosts())
    addresses = [f"{first}/{cidr.prefixlen}", *(f"{address}/{cidr.prefixlen}" for address in extra)]
    commands += [f"addr replace {address} dev {name}" for address in addresses]
    commands.append(f"link set dev {name} up")
    batch(commands, what=f"the network {network} could not be made")
    return name


def plug(lab: str, node: str, nics: Sequence[Nic], pid: int) -> None:
    """Give the network namespace of process ``pid`` its network cards, their other ends on the lab's bridges.

    Raises:
        LabError: a bridge is missing, or an end cannot be made.
    """
    for nic in nics:
        if not exists(nic.bridge):
            raise LabError(
                f"the network {nic.network} of the lab {lab} is not there",
                next_step=f"./quorate lab up --name {lab}",
            )
    commands = []
    for nic in nics:
        commands += [
            f"link add name {nic.link} type veth peer name {nic.network} address {nic.mac} netns {pid}",
            f'link set dev {nic.link} alias "{alias(lab, node, nic.network)}"',
            f"link set dev {nic.link} master {nic.bridge} up",
        ]
    batch(commands, what=f"the links of {node} could not be made")


def unplug(links: Iterable[str]) -> None:
    """Cut links: their host ends go down. Missing ones are passed over."""
    batch([f"link set dev {link} down" for link in links if exists(link)], check=False)


def remove(links: Iterable[str]) -> None:
    """Remove interfaces. Missing ones are passed over."""
    batch([f"link del dev {link}" for link in links if exists(link)], check=False)


def used_by_host() -> list[tuple[str, IPv4Interface]]:
    """Every IPv4 address of this host with its prefix length, and the interface that has it."""
    lines = [line.split() for line in run(["ip", "-o", "-4", "addr", "show"], timeout_s=10).splitlines()]
    return [(words[1], IPv4Interface(words[3])) for words in lines if len(words) > 3 and "/" in words[3]]


def routed_by_host() -> list[tuple[str, IPv4Network]]:
    """Every IPv4 network that this host has a route to, and through which interface.

    No default routes, nor the two halves of one that tunnels make (0.0.0.0/1): those are for all the rest.
    """
    lines = [line.split() for line in run(["ip", "-o", "-4", "route", "show"], timeout_s=10).splitlines()]
    routes = [
        (words[words.index("dev") + 1], IPv4Network(words[0], strict=False))
        for words in lines
        if words[0][:1].isdigit() and "dev" in words
    ]
    return [(interface, route) for interface, route in routes if route.prefixlen > 1]


def bridge_filter_off() -> bool:
    """Keep this host's own packet filter away from bridged frames. True where that had to be changed.

    With br_netfilter active, frames between two machines would pass the host's FORWARD chain, which container
    engines set to drop.
    """
    if not _BRIDGE_FILTER.exists() or _BRIDGE_FILTER.read_text().strip() == "0":
        return False
    _BRIDGE_FILTER.write_text("0")
    return True
