"""Is this host fit for a lab? Asked before anything is touched; then what is missing is installed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from quorate.errors import PreconditionError
from quorate.events import Event, Kind, Listener
from quorate.lab.cgroup import mount_point

MEMORY_MIB = 5120
"""Measured: three controllers with the identity plane stay under this."""
DISK_MIB = 6144
"""An image (1.5 GiB), its packages, three disks and room to work."""
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
KEYRING = Path("/usr/share/keyrings/debian-archive-trixie-stable.gpg")
KEYRING_PACKAGE = "debian-archive-keyring"
SYSCTLS = {
    "fs/inotify/max_user_instances": 1024,
    "fs/inotify/max_user_watches": 262144,
    "fs/aio-max-nr": 1048576,
    "kernel/pid_max": 131072,
}
"""Limits that all machines share with the host, and the least that they need."""


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
        filesystems=frozenset(
            line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()
        ),
        namespaces=frozenset(path.name for path in Path("/proc/self/ns").iterdir()),
        loop=Path("/dev/loop-control").exists(),
        cgroup2=mount_point(Path("/proc/self/mountinfo").read_text()) is not None,
    )


def judge(facts: Facts, *, memory_mib: int = MEMORY_MIB, disk_mib: int = DISK_MIB) -> None:
    """Raise for the first thing that makes this host unfit.

    Args:
        memory_mib: memory that must be available, in MiB.
        disk_mib: disk space that must be free, in MiB.

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
    for name in ("overlay", "ext4"):
        if name not in facts.filesystems:
            raise PreconditionError(f"this kernel has no {name} file system", next_step=f"modprobe {name}")
    if not facts.loop:
        raise PreconditionError("this host has no loop devices", next_step="modprobe loop")
    if not facts.cgroup2:
        raise PreconditionError("this host has no cgroup v2 hierarchy")
    if facts.available_mib < memory_mib:
        raise PreconditionError(
            f"{facts.available_mib} MiB of memory are available, and {memory_mib} MiB are needed"
        )
    if facts.free_mib < disk_mib:
        raise PreconditionError(f"{facts.free_mib} MiB of disk are free, and {disk_mib} MiB are needed")


def missing_packages() -> list[str]:
    """The Debian packages that this host lacks for a lab."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)}
    if not KEYRING.exists():
        packages.add(KEYRING_PACKAGE)
    return sorted(packages)


def prepare(listener: Listener) -> None:
    """Install what is missing and raise the shared limits, saying what.

    Raises:
        PreconditionError: packages are missing and cannot be installed.
    """
    if packages := missing_packages():
        _install(packages, listener)
    for name, least in SYSCTLS.items():
        path = Path("/proc/sys") / name
        if path.exists() and int(path.read_text().split()[0]) < least:
            path.write_text(str(least))
            listener(Event(Kind.NOTE, "host", f"raised {name.replace('/', '.')} to {least}"))


def _install(packages: list[str], listener: Listener) -> None:
    if shutil.which("apt-get") is None:
        raise PreconditionError(f"this host lacks {', '.join(packages)} and has no apt-get to install them")
    listener(Event(Kind.STARTED, "host", f"installing {', '.join(packages)}"))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for argv in (
        ["apt-get", "-q", "update"],
        ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages],
    ):
        done = subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
    if done.returncode != 0 or missing_packages():
        raise PreconditionError(
            f"could not install {', '.join(missing_packages() or packages)}",
            evidence=done.stderr or done.stdout,
            next_step=f"apt-get install {' '.join(packages)}",
        )
    listener(Event(Kind.DONE, "host", f"installed {', '.join(packages)}"))
