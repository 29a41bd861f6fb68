"""Is this host fit for a lab? Asked before anything is touched; then what is missing is installed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quorate.errors import PreconditionError
from quorate.events import Event, Kind, Listener
from quorate.lab.cgroup import mount_point

MACHINE_MEMORY_MIB = 300
"""A machine without any service: its system, and some of the page cache."""
MACHINE_DISK_MIB = 800
"""What a controller's disk takes once the plane is on it is 0.3 to 0.5 GiB, and its logs grow."""
IMAGE_DISK_MIB = 2560
"""An image takes 1.3 GiB, the packages that it is made of up to 0.4 GiB; the rest is room to build."""
PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "mkfs.ext4": "e2fsprogs",
    "ipmitool": "ipmitool",
    "ssh": "openssh-client",
    "losetup": "mount",
}
"""Programs that the lab needs, and the Debian package that brings each."""
FILESYSTEMS = ("overlay", "ext4")
"""What a machine's files are on."""
KEYRING = Path("/usr/share/keyrings/debian-archive-trixie-stable.gpg")
KEYRING_PACKAGE = "debian-archive-keyring"
SYSCTLS = {
    "fs/inotify/max_user_instances": 1024,
    "fs/inotify/max_user_watches": 262144,
    "fs/aio-max-nr": 1048576,
    "kernel/pid_max": 131072,
}
"""Limits that all machines share with the host, and the least that they need."""
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
INSTALL_S = 900.0
"""How long apt-get may take, in seconds."""


@dataclass(frozen=True)
class Facts:
    """What the checks look at, so that they can be tested on any host."""

    system: str
    uid: int
    available_mib: int
    free_mib: int
    filesystems: frozenset[str]
    namespaces: frozenset[str]
    loop: bool
    cgroup2: bool


def look(root: Path) -> Facts:
    """The facts of this host; ``root`` is where the lab's files will be."""
    where = root
    while not where.exists():
        where = where.parent
    if platform.system() != "Linux":
        return Facts(platform.system(), os.geteuid(), 0, 0, frozenset(), frozenset(), False, False)
    memory = {
        line.split(":")[0]: int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
    }
    return Facts(
        system="Linux",
        uid=os.geteuid(),
        available_mib=memory.get("MemAvailable", 0) >> 10,
        free_mib=shutil.disk_usage(where).free >> 20,
        filesystems=_filesystems(),
        namespaces=frozenset(path.name for path in Path("/proc/self/ns").iterdir()),
        loop=Path("/dev/loop-control").exists(),
        cgroup2=mount_point(Path("/proc/self/mountinfo").read_text()) is not None,
    )


def _filesystems() -> frozenset[str]:
    """The kernel's file systems, and those that machines need and that it loads at the first mount."""
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    modprobe = shutil.which("modprobe", path=_PATH)
    for name in FILESYSTEMS if modprobe else ():
        argv = [str(modprobe), "--dry-run", "--quiet", name]
        if name not in known and subprocess.run(argv, check=False, capture_output=True).returncode == 0:
            known.add(name)
    return frozenset(known)


def judge(facts: Facts) -> None:
    """Raise for the first thing that makes this host unfit, whatever the lab. Room is `judge_room`'s.

    Raises:
        PreconditionError: one sentence that says what.
    """
    if facts.system != "Linux":
        raise PreconditionError(f"a lab needs Linux, and this is {facts.system}")
    if facts.uid != 0:
        raise PreconditionError("a lab needs root", next_step="run it with sudo")
    missing = {"net", "mnt", "pid", "uts", "ipc", "cgroup"} - facts.namespaces
    if missing:
        raise PreconditionError(
            f"this kernel has no {', '.join(sorted(missing))} namespaces, which machines live in"
        )
    for name in FILESYSTEMS:
        if name not in facts.filesystems:
            raise PreconditionError(f"this kernel has no {name} file system", next_step=f"modprobe {name}")
    if not facts.loop:
        raise PreconditionError("this host has no loop devices", next_step="modprobe loop")
    if not facts.cgroup2:
        raise PreconditionError("this host has no cgroup v2 hierarchy")


def judge_room(facts: Facts, *, memory_mib: int, to_make: int, images: int) -> None:
    """Raise where a lab has no room here. What runs and what is there already asks for nothing.

    Args:
        memory_mib: what the machines that are off will take.
        to_make: how many have no disk yet.
        images: how many have to be built.

    Raises:
        PreconditionError: one sentence that says what there is, and what is needed.
    """
    if facts.available_mib < memory_mib:
        raise PreconditionError(
            f"{facts.available_mib} MiB of memory are available, and {memory_mib} MiB are needed",
            next_step="end what else runs here, another lab perhaps: ./quorate lab list",
        )
    disk_mib = to_make * MACHINE_DISK_MIB + images * IMAGE_DISK_MIB
    if facts.free_mib < disk_mib:
        raise PreconditionError(
            f"{facts.free_mib} MiB of disk are free, and {disk_mib} MiB are needed",
            next_step="make room, or set QUORATE_STATE to a folder on a larger disk",
        )


def missing_packages(programs: Mapping[str, str] = PROGRAMS) -> list[str]:
    """The Debian packages that this host lacks for a lab, or for ``programs`` and Debian's keys alone."""
    packages = {package for program, package in programs.items() if not shutil.which(program, path=_PATH)}
    if not KEYRING.exists():
        packages.add(KEYRING_PACKAGE)
    return sorted(packages)


def prepare(listener: Listener) -> None:
    """Install what is missing and raise the shared limits, saying what.

    Raises:
        PreconditionError: packages are missing and cannot be installed.
    """
    provide(PROGRAMS, listener)
    for name, least in SYSCTLS.items():
        path = Path("/proc/sys") / name
        if path.exists() and int(path.read_text().split()[0]) < least:
            path.write_text(str(least))
            listener(Event(Kind.NOTE, "host", f"raised {name.replace('/', '.')} to {least}"))


def provide(programs: Mapping[str, str], listener: Listener) -> None:
    """Install those of ``programs`` (and the Debian package that brings each) that are missing, saying what.

    Raises:
        PreconditionError: they cannot be installed.
    """
    packages = missing_packages(programs)
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise PreconditionError(f"this host lacks {', '.join(packages)} and has no apt-get to install them")
    listener(Event(Kind.STARTED, "host", f"installing {', '.join(packages)}"))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A fresh machine often updates itself in its first minutes: wait for that one's lock.
    install = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *packages]
    for words in (["update"], install):
        try:
            done = subprocess.run(
                ["apt-get", "-q", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=INSTALL_S,
            )
        except subprocess.TimeoutExpired as error:
            raise PreconditionError(
                f"apt-get {words[0]} did not end within {INSTALL_S:g} s",
                next_step=f"apt-get install {' '.join(packages)}",
            ) from error
    if done.returncode != 0 or missing_packages(programs):
        raise PreconditionError(
            f"could not install {', '.join(missing_packages(programs) or packages)}",
            evidence=done.stderr or done.stdout,
            next_step=f"apt-get install {' '.join(packages)}",
        )
    listener(Event(Kind.DONE, "host", f"installed {', '.join(packages)}"))
