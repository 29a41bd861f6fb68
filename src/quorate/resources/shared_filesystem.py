"""A file system on a disk that several nodes see, and the watch over who writes to it."""

from __future__ import annotations

import re

from quorate.resources.base import Resource
from quorate.resources.unit import unit
from quorate.spec.model import Storage

WATCH_UNIT = "quorate-storage@.service"
"""Notes when the multi-mount protection of a disk last moved. Its instance is the device's path."""
FORMAT_S = 300.0
"""How long making the file system may take: a large disk's inode tables are written later, by the kernel."""


def shared_filesystem(name: str, storage: Storage) -> Resource:
    """The disk is there, with an ext4 file system of this service that has multi-mount protection.

    Place it on every node that may run the service, in `Stage.STORAGE`. It is serial: the first node makes
    the file system, and only on a blank disk; the others find it. A disk that holds anything is not touched.

    Args:
        name: the service; also the file system's label.
        storage: what cluster.yaml says.
    """
    args = {"device": storage.device, "label": name, "service": name}
    return Resource(
        "shared_filesystem",
        storage.device,
        args,
        {"holds": "ours", "mmp": True},
        serial=True,
        timeout_s=FORMAT_S,
    )


def storage_watch(storage: Storage) -> Resource:
    """The watch over the disk runs. Place it on every node that may run the service, in `Stage.STORAGE`.

    Optional for safety, not for speed: without its note a take-over looks at the disk for 1.5 s itself.
    """
    name = WATCH_UNIT.replace("@", f"@{escaped(storage.device)}")
    return unit(name, enabled=True, active=True)


def escaped(path: str) -> str:
    r"""``path`` as an instance name, as systemd-escape(1) ``--path`` writes it: /dev/a-b is dev-a\x2db."""
    words = re.sub(r"/+", "/", path).strip("/")
    return "".join(
        "-" if one == "/" else one if re.match(r"[A-Za-z0-9:_.]", one) else f"\\x{ord(one):02x}"
        for one in words
    )
