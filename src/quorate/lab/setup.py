"""Which cluster.yaml a lab gets: the one handed in, the one it has, or a new one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from quorate.errors import PreconditionError, UsageError
from quorate.home import Home
from quorate.lab import cgroup, hardware, network, template
from quorate.lab.layout import LabFolder
from quorate.lab.locks import held
from quorate.spec.model import Cluster, Name

CHOOSING_S = 300.0
"""How long to wait for another lab: choosing takes seconds, bringing disks back may take minutes."""


@contextmanager
def choosing(root: Path) -> Iterator[None]:
    """One lab at a time on this host chooses its networks and makes them inside this block."""
    (root / "labs").mkdir(mode=0o700, parents=True, exist_ok=True)
    with held(root / "labs" / ".lock", CHOOSING_S):
        yield


def networks_of_labs(root: Path, except_lab: str = "") -> dict[IPv4Network, str]:
    """The networks that labs' machines are defined in, running or not, and whose they are."""
    found: dict[IPv4Network, str] = {}
    for path in sorted((root / "labs").glob("*/*/machine.json")):
        lab = path.parent.parent.name
        if lab != except_lab:
            for nic in hardware.load(LabFolder(root, lab).node(path.parent.name)).nics:
                found[IPv4Interface(nic.address).network] = f"the lab {lab}"
    return found


def networks_of_host(except_lab: str = "") -> dict[IPv4Network, str]:
    """The networks that this host has addresses in or routes to, leaving out the bridges of one lab."""
    mine = {name for name, words in network.owned().items() if words["lab"] == except_lab}
    addresses = {
        address.network: f"the interface {name} of this host"
        for name, address in network.used_by_host()
        if name not in mine
    }
    routes = {
        route: f"a route of this host through {name}"
        for name, route in network.routed_by_host()
        if name not in mine
    }
    return {**routes, **addresses}


def default_spec(root: Path, lab: str) -> str:
    """A new cluster.yaml for ``lab``, in networks that nothing on this host uses. Call it inside `choosing`.

    Raises:
        PreconditionError: every one is in use.
    """
    taken = {**networks_of_host(lab), **networks_of_labs(root, lab)}
    return template.cluster_yaml(lab, template.free_slot(taken))


def check_free(root: Path, lab: str, cluster: Cluster) -> None:
    """Raise PreconditionError where a network of ``cluster`` overlaps with another lab's or the host's."""
    taken = {**networks_of_host(lab), **networks_of_labs(root, lab)}
    clashes = [
        f"networks.{name}: {net.cidr} overlaps with {other} ({owner})"
        for name, net in cluster.networks.items()
        for other, owner in taken.items()
        if net.cidr.overlaps(other)
    ]
    if clashes:
        raise PreconditionError(
            f"the addresses of the lab {lab} are in use on this host",
            evidence="\n".join(clashes),
            next_step="take the other lab down, or use other networks in cluster.yaml",
        )


def check_mine(lab: LabFolder) -> None:
    """Raise PreconditionError where machines run under the lab's name that are not in its folder.

    Names of control groups and interfaces are the host's: two state roots cannot both have a lab of one name.
    """
    strangers = [
        node
        for (name, node), group in cgroup.find().items()
        if name == lab.name and group.alive() and not lab.node(node).machine.exists()
    ]
    if strangers:
        raise PreconditionError(
            f"machines of a lab {lab.name} run here that are not in its folder: {', '.join(strangers)}",
            where=str(lab.path),
            next_step=f"set QUORATE_STATE as they were made with, choose another --name, or end them: "
            f"./quorate lab down --name {lab.name}",
        )


def read(spec: Path) -> Cluster:
    """A cluster.yaml that was judged when the lab adopted it: only its shape is looked at again."""
    return Cluster.model_validate(YAML(typ="safe").load(spec))


def own(home: Home) -> None:
    """Raise UsageError where ``home`` is a cluster's on other hosts: its keys are not a lab's to replace.

    `quorate apply FILE` leaves a link to the file there; a lab's cluster.yaml is a file.
    """
    if home.spec.is_symlink():
        name = home.path.name
        raise UsageError(
            f"the cluster {name} is none of this host's labs",
            where=f"{home.spec} -> {home.spec.readlink()}",
            next_step="choose another name with --name, or another cluster: in the file",
        )


def adopt(home: Home, text: str) -> None:
    """Make ``text`` the cluster.yaml of ``home``, whole or not at all."""
    home.create()
    temporary = home.spec.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(home.spec)


def lab_name(name: str) -> str:
    """``name``, if a lab can be called so. Raises UsageError."""
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise UsageError(
            f"{name!r} cannot be a lab's name",
            next_step="1 to 15 lower-case letters, digits and -, a letter first",
        ) from None
