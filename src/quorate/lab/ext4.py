"""A machine's disk: made in well under a second, and able to lose power.

FIFREEZE and FITHAW (Linux include/uapi/linux/fs.h) stop all writing for a moment, so that a copy is of one
instant. EXT4_IOC_SHUTDOWN (Linux fs/ext4/ext4.h: ``_IOR('X', 125, __u32)``) ends the file system at once;
with flag 2, EXT4_GOING_FLAGS_NOLOGFLUSH, what was not synced yet is lost, as in a power cut.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from quorate.lab.run import run

EXT4_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2
FIFREEZE = 0xC0045877
FITHAW = 0xC0045878


def make(disk: Path, size_mib: int, seed: Path) -> None:
    """Make ``disk`` a sparse file with an ext4 file system that holds a copy of the folder ``seed``.

    Args:
        size_mib: its size, in MiB; only what is written takes room.

    Raises:
        LabError: mkfs.ext4 failed (a full disk, say). No half-made disk stays.
    """
    temporary = disk.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("wb") as file:
            file.truncate(size_mib << 20)
        options = "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0"
        run(
            [
                "mkfs.ext4",
                "-q",
                "-F",
                "-m",
                "0",
                "-J",
                "size=64",
                "-E",
                options,
                "-d",
                str(seed),
                str(temporary),
            ],
            what="the disk could not be made",
        )
        temporary.rename(disk)
    finally:
        temporary.unlink(missing_ok=True)


def _ioctl(where: Path, request: int, argument: int = 0) -> None:
    handle = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, request, struct.pack("=I", argument))
    finally:
        os.close(handle)


def lose_power(where: Path) -> None:
    """End the file system mounted at ``where``; what was not synced is gone. Raises OSError."""
    _ioctl(where, EXT4_IOC_SHUTDOWN, NOLOGFLUSH)


def freeze(where: Path) -> None:
    """Write out everything and let no write through until `thaw`. Raises OSError."""
    _ioctl(where, FIFREEZE)


def thaw(where: Path) -> None:
    """End a freeze. Raises OSError (EINVAL when it was not frozen)."""
    _ioctl(where, FITHAW)
