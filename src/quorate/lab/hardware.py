"""What a machine is made of: its image, its network cards, its BMC, its disks. Kept beside its disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from quorate.errors import LabError
from quorate.lab.layout import NodeFolder


@dataclass(frozen=True)
class Nic:
    """A network card.

    Args:
        network: the network's name; the card is called so inside the machine.
        link: the host end's name.
        bridge: the bridge it is plugged into.
        mac: the card's MAC address.
        address: address and prefix length, as ``10.77.0.11/24``.
        kernel: the machine's kernel has that address from its first boot on; otherwise the card comes without
            one, for whoever sets the machine up (Open vSwitch).
    """

    network: str
    link: str
    bridge: str
    mac: str
    address: str
    kernel: bool = True


@dataclass(frozen=True)
class BmcAddress:
    """Where a machine's BMC listens, and who may talk to it."""

    address: str
    port: int
    user: str
    password_file: str


@dataclass(frozen=True)
class SharedDisk:
    """A disk that other machines see too.

    Args:
        device: the path at which the machine sees it.
        size_mib: its size, in MiB.
    """

    device: str
    size_mib: int


@dataclass(frozen=True)
class Machine:
    """A machine's definition.

    Args:
        node: its name.
        image: the key of its image.
        nics: its network cards.
        bmc: its BMC, or None.
        disk_mib: size of its disk, in MiB.
        shared: the disks that it shares with others.
    """

    node: str
    image: str
    nics: tuple[Nic, ...]
    bmc: BmcAddress | None
    disk_mib: int
    shared: tuple[SharedDisk, ...] = ()

    def to_json(self) -> str:
        """The definition as text."""
        return json.dumps(asdict(self), indent=1)


def parse(text: str) -> Machine:
    """Read a definition back. Raises KeyError, TypeError or ValueError where it is not one."""
    raw: dict[str, Any] = json.loads(text)
    return Machine(
        node=raw["node"],
        image=raw["image"],
        nics=tuple(Nic(**nic) for nic in raw["nics"]),
        bmc=BmcAddress(**raw["bmc"]) if raw["bmc"] else None,
        disk_mib=raw["disk_mib"],
        shared=tuple(SharedDisk(**disk) for disk in raw.get("shared", ())),
    )


def load(folder: NodeFolder) -> Machine:
    """The definition of the machine in ``folder``.

    Raises:
        LabError: there is no such machine, or its definition cannot be read.
    """
    try:
        return parse(folder.machine.read_text())
    except FileNotFoundError as error:
        raise LabError(
            f"the lab {folder.lab} has no node {folder.node}",
            next_step="./quorate lab list shows what there is",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            "the machine's definition cannot be read", where=str(folder.machine), evidence=repr(error)
        ) from error
