"""Disks that several machines see at once, as a storage network shows them to several hosts.

One sparse backing file a disk, and for each machine a loop device of its own over it, with its own cache: one
loop device mounted twice on one kernel would share its cache, and hide the damage that two hosts do. A
machine's loop device is found by its file, a hard link to the backing file in the machine's folder.

A cut of power ends the machine's file systems there without a last write, and is over when its loop devices
are gone: nothing that its caches still hold can come onto the disk after another machine mounted it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from quorate.errors import LabError
from quorate.lab import ext4, loops, mmp
from quorate.lab.cgroup import Group
from quorate.lab.hardware import Machine, SharedDisk
from quorate.lab.layout import LabFolder, NodeFolder
from quorate.lab.run import run

MOUNTED = Path("/sys/fs/ext4")
"""Has a folder for every block device whose ext4 file system lives in this kernel, in whatever namespace."""
FREE_S = 10.0
_POLL_S = 0.005


def file_name(device: str) -> str:
    """The backing file of the disk that machines see as ``device``."""
    return f"{hashlib.sha256(device.encode()).hexdigest()[:12]}.img"


def make(lab: LabFolder, machines: Iterable[Machine]) -> None:
    """Make every disk that ``machines`` share, unless it is there. Raises LabError."""
    disks = {file_name(disk.device): disk.size_mib for machine in machines for disk in machine.shared}
    if disks:
        lab.shared.mkdir(mode=0o700, exist_ok=True)
    for name, size_mib in disks.items():
        path = lab.shared / name
        if not path.exists():
            new = path.with_suffix(".new")
            with new.open("wb") as file:
                file.truncate(size_mib << 20)
            new.rename(path)


def attach(folder: NodeFolder, disks: Iterable[SharedDisk]) -> dict[str, str]:
    """Give the machine, which is off, its loop devices; loop device by the path that the machine sees.

    Raises:
        LabError: a disk is missing, or no loop device could be had.
    """
    detach(folder)
    found = {}
    for disk in disks:
        backing = LabFolder(folder.root, folder.lab).shared / file_name(disk.device)
        if not backing.exists():
            raise LabError(
                f"the shared disk {disk.device} of {folder.node} is not there",
                where=str(backing),
                next_step=f"./quorate lab down --name {folder.lab}, then up again",
            )
        folder.shared.mkdir(mode=0o700, exist_ok=True)
        link = folder.shared / backing.name
        if not (link.exists() and link.samefile(backing)):
            link.unlink(missing_ok=True)
            os.link(backing, link)
        found[disk.device] = run(["losetup", "--find", "--show", str(link)], timeout_s=20).strip()
    return found


def shown(folder: NodeFolder, disks: Mapping[str, str]) -> list[str]:
    """systemd-nspawn's arguments that put loop devices at the machine's paths for them.

    A folder with device nodes is bound, not each node: programs that look for the disk's name in the list of
    mounts (ocf:heartbeat:Filesystem, fuser) would take the device's own line for its file system.

    Args:
        disks: loop device by the path that the machine sees.
    """
    binds = []
    for path, loop in disks.items():
        parent = Path(path).parent
        if parent == Path("/dev"):  # it is full of others, and none of them may be hidden
            binds.append(f"--bind={loop}:{path}")
            continue
        door = folder.shared / hashlib.sha256(str(parent).encode()).hexdigest()[:12]
        door.mkdir(mode=0o755, exist_ok=True)
        (door / Path(path).name).unlink(missing_ok=True)
        os.mknod(door / Path(path).name, stat.S_IFBLK | 0o600, Path(loop).stat().st_rdev)
        binds.append(f"--bind={door}:{parent}")
    return list(dict.fromkeys(binds))


def attached(folder: NodeFolder) -> dict[str, Path]:
    """The machine's loop devices ("loop7") and their files, whether or not its definition says so."""
    return {name: Path(path) for name, path in loops.backing().items() if Path(path).parent == folder.shared}


def cut(folder: NodeFolder) -> Mapping[Path, bytes]:
    """End the machine's file systems on shared disks; what was not synced is lost.

    Call it while its processes live, and hand the result to `lost` once they do not.

    Returns:
        The multi-mount protection of each disk that it had mounted, as it was.

    Raises:
        LabError: a file system cannot be reached.
    """
    before = {}
    for name, path in attached(folder).items():
        if (MOUNTED / name).exists():
            before[path] = mmp.read(path)
            _shut_down(folder, name)
    return {path: block for path, block in before.items() if block is not None}


def lost(folder: NodeFolder, before: Mapping[Path, bytes]) -> None:
    """Free the loop devices of a machine that has no process any more.

    The kernel, which here goes on living, declares the multi-mount protection clean when a file system ends.
    A host that loses power cannot: the block gets back what the host had last written.

    Raises:
        LabError: a disk is still in use after a while: it must not be called off.
    """
    detach(folder)
    for path, block in before.items():
        mmp.put_back(path, block)


def detach(folder: NodeFolder) -> None:
    """Free the machine's loop devices: over when no mount and no cache of them is left. Raises LabError."""
    _free(attached(folder))


def detach_lab(lab: LabFolder) -> None:
    """Free every loop device on a lab's shared disks, also of machines that are gone. Raises LabError."""
    _free({name: Path(path) for name, path in loops.backing().items() if _of(lab, Path(path))})


def _of(lab: LabFolder, path: Path) -> bool:
    return path.parent == lab.shared or (path.parent.name == "shared" and path.parents[2:3] == (lab.path,))


def _free(devices: Mapping[str, Path]) -> None:
    deadline = time.monotonic() + FREE_S
    for name in devices:
        # Where a mount is on its way out, the kernel does it at the last close.
        run(["losetup", "-d", f"/dev/{name}"], timeout_s=10, check=False)
    while left := {name for name, path in devices.items() if loops.backing().get(name) == str(path)}:
        if time.monotonic() > deadline:
            name = min(left)
            raise LabError(
                f"a shared disk is still in use {FREE_S:g} s after the machine ended",
                where=str(devices[name]),
                evidence=f"attached to {', '.join(sorted(left))}",
                next_step=f"see which process still has it mounted: grep -l {name} /proc/*/mountinfo",
            )
        time.sleep(_POLL_S)


def mounts(folder: NodeFolder) -> list[Path]:
    """Where the machine has its shared disks mounted, as this process can reach it: one path a disk."""
    found = (_mount(folder, name) for name in attached(folder) if (MOUNTED / name).exists())
    return [path for path in found if path is not None]


def _mount(folder: NodeFolder, device: str) -> Path | None:
    number = Path(f"/sys/block/{device}/dev").read_text().strip()
    for pid in _one_a_namespace(Group.of(folder.lab, folder.node).pids()):
        with suppress(OSError):
            for point in points(Path(f"/proc/{pid}/mountinfo").read_text(), number):
                path = Path(f"/proc/{pid}/root{point}")
                seen = path.stat().st_dev  # something else may be mounted over it
                if f"{os.major(seen)}:{os.minor(seen)}" == number:
                    return path
    return None


def points(mountinfo: str, number: str) -> list[str]:
    """Where the device ``number`` ("7:3") is mounted whole, from the text of proc_pid_mountinfo(5)."""
    rows = (line.split() for line in mountinfo.splitlines())
    return [_plain(row[4]) for row in rows if row[2:4] == [number, "/"]]


def _plain(text: str) -> str:
    r"""A path as it is: mountinfo writes space, tab, newline and backslash as \040 and the like."""
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text


def _one_a_namespace(pids: Iterable[int]) -> Iterator[int]:
    seen = set()
    for pid in pids:
        with suppress(OSError):
            namespace = Path(f"/proc/{pid}/ns/mnt").readlink()
            if namespace not in seen:
                seen.add(namespace)
                yield pid


def _shut_down(folder: NodeFolder, device: str) -> None:
    path = _mount(folder, device)
    if path is not None:
        with suppress(OSError):  # it has shut down already: there is nothing left to lose
            ext4.lose_power(path)
        return
    # Unmounted lazily, with files still open: one more mount of what lives is a door to it. Should it have
    # ended just now, then noload lets nobody in who would have to replay a journal.
    run(["mount", "-t", "ext4", "-o", "noload", f"/dev/{device}", str(folder.fs)], timeout_s=10)
    try:
        ext4.lose_power(folder.fs)
    finally:
        run(["umount", str(folder.fs)], timeout_s=10)


def copy(source: Path, target: Path) -> None:
    """Copy every disk in the folder ``source`` to ``target``, which then has no others. Raises LabError."""
    if target.exists():
        shutil.rmtree(target)
    if not source.is_dir():
        return
    target.mkdir(mode=0o700, parents=True)
    for path in sorted(source.glob("*.img")):
        argv = ["cp", "--sparse=always", "--reflink=auto", str(path), str(target / path.name)]
        run(argv, timeout_s=300, what="a shared disk could not be copied")
