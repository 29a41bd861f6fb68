"""The power switch of a machine, as its BMC works it.

Off is a power cut, in this order: the links go dead (a machine that loses power sends no FIN and no RST), its
file systems are shut down so that what was not synced is lost, then every process ends. It is reported off
only once no process of it is left and its disks are free, also those that it shares with others. On replays
the disk's journal and boots. Every call is idempotent, and one call at a time changes a machine's power.
"""

from __future__ import annotations

import select
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from quorate.errors import LabError
from quorate.lab import ext4, hardware, loops, network, shared_disks
from quorate.lab.cgroup import Group
from quorate.lab.layout import NodeFolder, machine_name
from quorate.lab.locks import held
from quorate.lab.run import run

BOOT = Path(__file__).parent / "boot.sh"
LOCK_S = 120.0
"""How long to wait for another change of power: one takes seconds, a snapshot at most a minute."""
MOUNT_S = 60.0
"""How long a machine's disk may take to be mounted; a file system check of it comes first where it must."""
_DEVICES = ("/dev/net/tun", "/dev/fuse")
"""Bound into the machine where the host has them: user-space switches and taps need the first."""


@contextmanager
def locked(folder: NodeFolder) -> Iterator[None]:
    """Nobody else changes the machine's power inside this block. Raises LabError."""
    if not folder.path.is_dir():
        raise LabError(
            f"the lab {folder.lab} has no node {folder.node}",
            next_step="./quorate lab list shows what there is",
        )
    with held(folder.lock, LOCK_S):
        yield


def is_on(folder: NodeFolder) -> bool:
    """Whether any process of the machine lives."""
    return Group.of(folder.lab, folder.node).alive()


def supervisor(folder: NodeFolder) -> int | None:
    """The process that has the machine's disk mounted in its mount namespace. None when it is off."""
    for pid in sorted(Group.of(folder.lab, folder.node).pids()):
        with suppress(OSError):
            if Path(f"/proc/{pid}/root{folder.fs}/upper").is_dir():
                return pid
    return None


def filesystem(folder: NodeFolder) -> Path | None:
    """The machine's disk as this process can reach it: through its supervisor. None when it is off."""
    pid = supervisor(folder)
    return Path(f"/proc/{pid}/root{folder.fs}") if pid else None


def off(folder: NodeFolder) -> None:
    """Cut the power. Raises LabError when a process or the disk outlives it."""
    with locked(folder):
        _off(folder)


def on(folder: NodeFolder) -> None:
    """Give power: returns once the machine is booting. Harmless when it is on.

    Raises:
        LabError: its disk, image or a network is missing or cannot be used.
    """
    with locked(folder):
        if not is_on(folder):
            _on(folder)


def reset(folder: NodeFolder) -> None:
    """Cut the power and give it again."""
    with locked(folder):
        _off(folder)
        _on(folder)


def _off(folder: NodeFolder) -> None:
    group = Group.of(folder.lab, folder.node)
    links = [
        name
        for name, of in network.owned().items()
        if (of.get("lab"), of.get("node")) == (folder.lab, folder.node)
    ]
    network.unplug(links)
    shared: Mapping[Path, bytes] = {}
    if group.alive():
        shared = shared_disks.cut(folder)
        _lose_unsynced(folder)
        group.kill()
    loops.wait_free(folder.disk)
    shared_disks.lost(folder, shared)
    network.remove(links)
    group.remove()


def _lose_unsynced(folder: NodeFolder) -> None:
    with suppress(OSError):  # already shut down: there is nothing left to lose
        if (disk := filesystem(folder)) is not None:
            ext4.lose_power(disk)
            return
        # Its supervisor is gone but others live: mount the same file system a second time, and end it there.
        for device in loops.of(folder.disk):
            run(["mount", "-t", "ext4", f"/dev/{device}", str(folder.fs)], timeout_s=10)
            try:
                ext4.lose_power(folder.fs)
            finally:
                run(["umount", str(folder.fs)], timeout_s=10)


def _on(folder: NodeFolder) -> None:
    machine = hardware.load(folder)
    image = folder.root / "images" / machine.image / "rootfs"
    for path, what in ((image, "image"), (folder.disk, "disk")):
        if not path.exists():
            raise LabError(
                f"the {what} of {folder.node} is not there", where=str(path), next_step="./quorate lab up"
            )
    loops.wait_free(folder.disk)
    network.remove(nic.link for nic in machine.nics)
    group = Group.of(folder.lab, folder.node)
    group.create()
    for path in (folder.fs, folder.merged):
        path.mkdir(exist_ok=True)
    try:
        shared = shared_disks.attach(folder, machine.shared)
        _boot(folder, machine, image, group, shared_disks.shown(folder, shared))
    except BaseException:
        group.kill()
        shared_disks.detach(folder)
        network.remove(nic.link for nic in machine.nics)
        group.remove()
        raise


def _boot(
    folder: NodeFolder, machine: hardware.Machine, image: Path, group: Group, shared: list[str]
) -> None:
    name = machine_name(folder.lab, folder.node)
    devices = [f"--bind={device}" for device in _DEVICES if Path(device).exists()]
    # setsid --fork: the machine is nobody's child, so it outlives whoever started it.
    launch = ["setsid", "--fork", "unshare", "--mount", "--propagation", "private", "--net", "sh", str(BOOT)]
    process = subprocess.Popen(
        [*launch, str(folder.path), str(image), str(group.path), name, folder.node, *devices, *shared],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    with process.stdin, process.stdout, process.stderr:
        heard, _, _ = select.select([process.stdout], [], [], MOUNT_S)
        word, _, pid = (process.stdout.readline() if heard else "").strip().partition(" ")
        if word != "ready":
            process.wait(timeout=10)
            lines = folder.console.read_text(errors="replace").splitlines() if folder.console.exists() else []
            raise LabError(
                f"{folder.node} could not be started",
                where=str(folder.console),
                evidence="\n".join(lines[-6:]) or (process.stderr.read() if heard else ""),
            )
        network.plug(folder.lab, folder.node, machine.nics, int(pid))
        try:
            process.stdin.write("go\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            raise LabError(f"{folder.node} ended before it booted", where=str(folder.console)) from error
    process.wait(timeout=10)
