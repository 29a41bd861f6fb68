"""A file system on a disk that several nodes see: made once, on a blank disk, and never over anything."""

from __future__ import annotations

import os
import stat
from typing import Any

from quorate.node import tools

BLANK_MIB = 1
"""Besides having no signature, this much at its beginning has to be zero."""
SUPERBLOCK = 1024
MAGIC_AT, MAGIC = 0x38, 0xEF53
LABEL_AT, LABEL_BYTES = 0x78, 16
INCOMPATIBLE_AT, MMP = 0x60, 0x100
UPDATE_INTERVAL_AT = 0x166
"""Fields of ext4's superblock (Linux Documentation/filesystems/ext4/super.rst)."""
UPDATE_S = 1
"""How often, in seconds, a node that has it mounted shows in the multi-mount protection that it lives."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """What is on ``device``.

    Args:
        args: ``device``; ``label``, that of our file system.

    Returns:
        ``holds``: missing, no disk, blank, ours or foreign; ``what``: foreign contents in words; ``mmp``: it
        has multi-mount protection that is renewed every second.

    Raises:
        Failed: it cannot be read, or blkid cannot be asked.
    """
    device = args["device"]
    try:
        if not stat.S_ISBLK(os.stat(device).st_mode):
            return {"holds": "no disk", "what": "it is no block device", "mmp": False}
        with open(device, "rb", buffering=0) as disk:
            head = disk.read(BLANK_MIB << 20)
    except FileNotFoundError:
        return {"holds": "missing", "what": "", "mmp": False}
    except OSError as error:
        raise tools.Failed(f"{device} cannot be read: {error.strerror}") from None
    found = ext4(head)
    if found is not None:
        ours = found["label"] == args["label"]
        what = "" if ours else f"an ext4 file system with the label {found['label']!r}"
        return {"holds": "ours" if ours else "foreign", "what": what, "mmp": found["mmp"]}
    # 2: nothing found (blkid(8)); low-level probing reads the disk, not a cache.
    probe = tools.run(["blkid", "--probe", device])
    if probe.exit == 2 and not any(head):
        return {"holds": "blank", "what": "", "mmp": False}
    return {"holds": "foreign", "what": probe.out.strip() or "data that blkid does not know", "mmp": False}


def ext4(head: bytes) -> dict[str, Any] | None:
    """``label`` and ``mmp`` of the file system whose first KiBs are ``head``; None where it is not ext4."""
    block = head[SUPERBLOCK : SUPERBLOCK + 1024]
    if len(block) < 1024 or int.from_bytes(block[MAGIC_AT : MAGIC_AT + 2], "little") != MAGIC:
        return None
    label = block[LABEL_AT : LABEL_AT + LABEL_BYTES].split(b"\0")[0].decode(errors="replace")
    features = int.from_bytes(block[INCOMPATIBLE_AT : INCOMPATIBLE_AT + 4], "little")
    interval = int.from_bytes(block[UPDATE_INTERVAL_AT : UPDATE_INTERVAL_AT + 2], "little")
    return {"label": label, "mmp": bool(features & MMP) and interval == UPDATE_S}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Make the file system where the disk is blank.

    Raises:
        Failed: the disk is missing, in use, or holds anything: nothing of it was touched.
    """
    device, label, service = args["device"], args["label"], args["service"]
    found = look(args)
    if found["holds"] == "missing":
        raise tools.Failed(
            f"{os.uname().nodename} has no {device}, the disk of {service}: attach it here (multipath, "
            "iSCSI, zoning), or leave this node out of the service's nodes"
        )
    if found["holds"] == "no disk":
        raise tools.Failed(f"{device} is no block device: name the disk of {service} by its stable path")
    if found["holds"] == "foreign":
        raise tools.Failed(
            f"{device} is to be the disk of {service}, but it holds {found['what']}. It was not touched: "
            f"correct cluster.yaml, or, if nobody needs what is on it, empty it: wipefs --all {device}",
            found["what"],
        )
    if found["holds"] == "ours":
        raise tools.Failed(
            f"{device} has the file system of {service}, but no multi-mount protection every "
            f"{UPDATE_S} s. It was not touched: unmount it everywhere, then "
            f"tune2fs -O mmp -E mmp_update_interval={UPDATE_S} {device}"
        )
    try:
        os.close(os.open(device, os.O_RDWR | os.O_EXCL))
    except OSError as error:
        raise tools.Failed(f"{device} is in use on this node: {error.strerror}; see lsblk {device}") from None
    argv = ["mkfs.ext4", "-q", "-L", label, "-m", "0", "-e", "remount-ro", "-O", "mmp"]
    tools.check(
        [*argv, "-E", f"mmp_update_interval={UPDATE_S},nodiscard", device],
        f"no file system could be made on {device}",
        timeout_s=290,
    )
