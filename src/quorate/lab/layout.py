"""Where a lab's files are and what its parts are called. A lab is found by these names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

LINK_MAX = 15
"""IFNAMSIZ - 1: the longest name of a network interface in Linux."""
ALIAS = "quorate"
"""The first word of the alias of every interface that belongs to a lab (`ip link set … alias`)."""


def fit(name: str, size: int = LINK_MAX) -> str:
    """``name``, or where it is too long its beginning and a hash of all of it."""
    if len(name) <= size:
        return name
    return f"{name[: size - 6]}-{hashlib.sha256(name.encode()).hexdigest()[:5]}"


def mac(*parts: str) -> str:
    """A locally administered unicast MAC address (IEEE 802, 02:…) that is always the same for ``parts``."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return ":".join(["02", *(f"{byte:02x}" for byte in digest[:5])])


def bridge_name(lab: str, network: str) -> str:
    """The bridge of a lab's network."""
    return fit(f"{lab}-{network}")


def link_name(lab: str, node: str, network: str) -> str:
    """The host end of a node's link."""
    return fit(f"{lab}-{node}-{network}")


def alias(lab: str, node: str = "", network: str = "") -> str:
    """What an interface says about itself: whose it is."""
    words = [
        ALIAS,
        f"lab={lab}",
        *([f"node={node}"] if node else []),
        *([f"network={network}"] if network else []),
    ]
    return " ".join(words)


def parse_alias(text: str) -> dict[str, str] | None:
    """The parts of an interface's alias, or None where it is not a lab's."""
    words = text.split()
    if not words or words[0] != ALIAS:
        return None
    return dict(word.split("=", 1) for word in words[1:] if "=" in word)


def table_name(lab: str) -> str:
    """The lab's nftables table (family bridge), which holds its link faults."""
    return f"quorate-{lab}"


def machine_name(lab: str, node: str) -> str:
    """A machine's name for systemd-nspawn, and the name of its control group."""
    return f"quorate.{lab}.{node}"


def parse_machine_name(name: str) -> tuple[str, str] | None:
    """Lab and node of a machine's name, or None where it is not one."""
    parts = name.split(".")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "quorate" else None


@dataclass(frozen=True)
class NodeFolder:
    """One machine's files: ``<state root>/labs/<lab>/<node>``."""

    path: Path

    @property
    def node(self) -> str:
        """The node's name."""
        return self.path.name

    @property
    def lab(self) -> str:
        """The lab's name."""
        return self.path.parent.name

    @property
    def root(self) -> Path:
        """The state root."""
        return self.path.parent.parent.parent

    @property
    def machine(self) -> Path:
        """What the machine is made of, as a virtual machine's definition would say it."""
        return self.path / "machine.json"

    @property
    def disk(self) -> Path:
        """The machine's disk, a sparse file with an ext4 file system."""
        return self.path / "disk.img"

    @property
    def shared(self) -> Path:
        """Its doors to the lab's shared disks: hard links, which tell its loop devices from others'."""
        return self.path / "shared"

    @property
    def fs(self) -> Path:
        """Where the disk is mounted, in the machine's own mount namespace only."""
        return self.path / "fs"

    @property
    def merged(self) -> Path:
        """Where image and disk meet (overlay), in the machine's own mount namespace only."""
        return self.path / "root"

    @property
    def console(self) -> Path:
        """What the machine printed on its console, over all boots."""
        return self.path / "console.log"

    @property
    def bmc_log(self) -> Path:
        """What its BMC has to say."""
        return self.path / "bmc.log"

    @property
    def lock(self) -> Path:
        """Held while the machine's power changes."""
        return self.path / ".lock"

    @property
    def seed(self) -> Path:
        """The machine's identity, made before its disk: host key and machine id."""
        return self.path / "seed"


@dataclass(frozen=True)
class LabFolder:
    """A lab's files: ``<state root>/labs/<name>``."""

    root: Path
    name: str

    @property
    def path(self) -> Path:
        """The folder."""
        return self.root / "labs" / self.name

    @property
    def shared(self) -> Path:
        """The disks that several machines see; no node can be called so."""
        return self.path / ".shared"

    def node(self, name: str) -> NodeFolder:
        """The folder of one machine; it need not exist."""
        return NodeFolder(self.path / name)

    def nodes(self) -> list[NodeFolder]:
        """The machines that are defined, by name."""
        return [NodeFolder(path.parent) for path in sorted(self.path.glob("*/machine.json"))]
