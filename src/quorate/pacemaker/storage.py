"""A shared disk's file system under Pacemaker: mounted on one node, after the one before is certainly off."""

from __future__ import annotations

from quorate.pacemaker.model import Operation, Primitive
from quorate.spec.model import Storage

AGENT = "ocf:quorate:storage"
PACKAGES = ("e2fsprogs", "psmisc")
"""What its nodes need: mkfs.ext4, tune2fs; fuser."""
OPTIONS = "noatime,errors=remount-ro"
"""An error makes it read-only; the monitor sees that, and the service is restarted or moves."""


def member(name: str, storage: Storage) -> Primitive:
    """The first member of the service's group: the mounted disk.

    Its agent (docs/decisions/0009-shared-storage.md) refuses where somebody still writes; it takes ext4's
    wait of eleven seconds away only after a confirmed fencing; its stop is over when nothing of the file
    system is left on the node. It keeps Pacemaker's default ``requires=fencing``.

    Args:
        name: the service; the id starts with it.
        storage: what cluster.yaml says.
    """
    return Primitive(
        f"{name}-disk",
        AGENT,
        params={"device": storage.device, "mount": storage.mount, "options": OPTIONS},
        operations=(
            # Eleven seconds of ext4's own wait, and the journal.
            Operation("start", timeout_s=60),
            # A disk that is still in use cannot be taken from here: then the node is fenced.
            Operation("stop", timeout_s=30, on_fail="fence"),
            Operation("monitor", interval_s=5, timeout_s=20),
        ),
    )
