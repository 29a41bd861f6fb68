"""Find everything that belongs to labs on this host, and take a lab down so that nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from quorate.events import Event, Kind, Listener
from quorate.home import Home
from quorate.lab import bmcs, cgroup, loops, network, power, shared_disks
from quorate.lab.layout import LabFolder, NodeFolder
from quorate.lab.raise_machines import in_parallel
from quorate.lab.run import run


@dataclass
class Found:
    """What there is of one lab, seen on the host and in its folder."""

    name: str
    nodes: dict[str, bool] = field(default_factory=dict)
    """Node name, and whether it is on."""
    interfaces: list[str] = field(default_factory=list)
    bmcs: dict[int, str] = field(default_factory=dict)
    """Process id, and the node that it serves."""
    loops: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    folder: bool = False

    def remains(self) -> str:
        """What there is of it, in words; empty where nothing is left."""
        parts = {
            "machines": self.nodes,
            "interfaces": self.interfaces,
            "BMC processes": self.bmcs,
            "loop devices": self.loops,
            "mounts": self.mounts,
            "nftables tables": self.tables,
        }
        said = [f"{what} {', '.join(map(str, items))}" for what, items in parts.items() if items]
        return "; ".join([*said, *(["its folder"] if self.folder else [])])


def lab_of(path: str, labs: Path) -> str | None:
    """The lab that a path belongs to, or None: the first folder below ``labs``."""
    try:
        relative = Path(path).relative_to(labs)
    except ValueError:
        return None
    return relative.parts[0] if relative.parts else None


def mounts_below(mountinfo: str, labs: Path) -> list[str]:
    """The mount points below ``labs``, deepest first, from the text of /proc/self/mountinfo."""
    points = [line.split()[4] for line in mountinfo.splitlines() if line]
    return sorted((point for point in points if lab_of(point, labs)), key=len, reverse=True)


def parse_tables(text: str) -> list[tuple[str, str]]:
    """Lab and table of every nftables table that is a lab's, from ``nft --json list tables``."""
    tables = [
        item["table"]["name"] for item in json.loads(text or "{}").get("nftables", []) if "table" in item
    ]
    return [(name.removeprefix("quorate-"), name) for name in tables if name.startswith("quorate-")]


def find(root: Path) -> dict[str, Found]:
    """Every lab of which there is anything on this host, by name."""
    labs = root / "labs"
    found: dict[str, Found] = {}

    def at(name: str) -> Found:
        return found.setdefault(name, Found(name))

    for path in sorted(labs.glob("*")):
        if path.is_dir():
            at(path.name).folder = True
            for folder in LabFolder(root, path.name).nodes():
                at(path.name).nodes[folder.node] = False
    for (lab, node), group in cgroup.find().items():
        at(lab).nodes[node] = group.alive()
    for name, words in network.owned().items():
        at(words["lab"]).interfaces.append(name)
    for pid, served in bmcs.find().items():
        if owner := lab_of(str(served), labs):
            at(owner).bmcs[pid] = served.name
    for device, backing in loops.backing().items():
        if owner := lab_of(backing, labs):
            at(owner).loops.append(device)
    for point in mounts_below(Path("/proc/self/mountinfo").read_text(), labs):
        at(lab_of(point, labs) or "?").mounts.append(point)
    if shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
        for lab, table in parse_tables(run(["nft", "--json", "list", "tables"], timeout_s=10)):
            at(lab).tables.append(table)
    return found


def halt(root: Path, lab: Found) -> None:
    """End every process of the lab and free its disks; its files and networks stay.

    Raises:
        LabError: something did not end.
    """
    bmcs.stop(list(lab.bmcs))
    in_parallel(power.off, (folder for folder in _folders(root, lab) if folder.path.is_dir()))
    for (name, _), group in cgroup.find().items():  # machines whose folder went
        if name == lab.name:
            group.kill()
            group.remove()


def down(root: Path, lab: Found, listener: Listener) -> None:
    """Take the lab down: processes, mounts, loop devices, interfaces, rules, files.

    The cluster's `Home` (spec, keys, secrets, histories) goes too, unless it is a cluster's on other hosts.

    Raises:
        LabError: something is left.
    """
    listener(Event(Kind.STARTED, f"lab {lab.name}", "taking it down"))
    halt(root, lab)
    for point in lab.mounts:
        run(["umount", point], timeout_s=20)
    for node in lab.nodes:
        loops.wait_free(LabFolder(root, lab.name).node(node).disk)
    shared_disks.detach_lab(LabFolder(root, lab.name))
    clear_networks(lab)
    folder = LabFolder(root, lab.name).path
    if folder.exists():
        shutil.rmtree(folder)
    home = Home.of(lab.name, root)
    if home.path.exists() and not home.spec.is_symlink():
        shutil.rmtree(home.path)
    listener(Event(Kind.DONE, f"lab {lab.name}", "nothing of it is left"))


def clear_networks(lab: Found) -> None:
    """Remove every interface and rule of the lab. Raises LabError."""
    network.remove(name for name, owner in network.owned().items() if owner["lab"] == lab.name)
    for table in lab.tables:
        run(["nft", "delete", "table", "bridge", table], timeout_s=10)


def _folders(root: Path, lab: Found) -> Iterable[NodeFolder]:
    names = {*lab.nodes, *lab.bmcs.values()}
    return [LabFolder(root, lab.name).node(name) for name in sorted(names)]
