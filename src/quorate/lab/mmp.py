"""The multi-mount protection of an ext4 file system, as it is in a disk's file.

Fields: ``struct mmp_struct`` and EXT4_MMP_SEQ_CLEAN in Linux fs/ext4/ext4.h, the superblock's in
Documentation/filesystems/ext4/super.rst.
"""

from __future__ import annotations

import struct
from pathlib import Path

SUPERBLOCK = 1024
MAGIC, CLEAN = 0x004D4D50, 0xFF4D4D50
FEATURE = 0x100
BLOCK = 1024


def read(disk: Path) -> bytes | None:
    """The block, or None where the disk has no file system with multi-mount protection."""
    with disk.open("rb") as file:
        at = _place(file.read(2 * SUPERBLOCK)[SUPERBLOCK:])
        if at is None:
            return None
        file.seek(at)
        block = file.read(BLOCK)
    return block if len(block) == BLOCK and struct.unpack_from("<I", block)[0] == MAGIC else None


def sequence(block: bytes) -> int:
    """Its sequence number: `CLEAN`, or one that changes while somebody has the file system mounted."""
    return int(struct.unpack_from("<I", block, 4)[0])


def put_back(disk: Path, block: bytes) -> None:
    """Write ``block`` again, where the one on the disk was declared clean since."""
    found = read(disk)
    if found is None or sequence(found) != CLEAN or sequence(block) == CLEAN:
        return
    with disk.open("r+b") as file:
        at = _place(file.read(2 * SUPERBLOCK)[SUPERBLOCK:])
        assert at is not None
        file.seek(at)
        file.write(block)


def _place(superblock: bytes) -> int | None:
    if len(superblock) < SUPERBLOCK or struct.unpack_from("<H", superblock, 0x38)[0] != 0xEF53:
        return None
    if not struct.unpack_from("<I", superblock, 0x60)[0] & FEATURE:
        return None
    size = 1024 << struct.unpack_from("<I", superblock, 0x18)[0]
    block: int = struct.unpack_from("<Q", superblock, 0x168)[0]
    return block * int(size)
