"""What the guest image is made of. The same recipe has the same key, whatever the mirror and the date."""

from __future__ import annotations

import hashlib
from pathlib import Path

from quorate.lab.aptsources import SUITE

VERSION = 1
"""Raised when the builder changes in a way that its files and package list do not show."""
FILES = Path(__file__).parent / "image"
"""Hook scripts, the script that builds, and ``files``, which become the guest's file system."""
INSIDE = ("linux-image-cloud-amd64", "busybox-static")
"""What the guest consists of."""
TOOLS = (
    *("base-files", "dash", "coreutils", "findutils", "grep", "sed", "gzip", "xz-utils", "cpio", "kmod"),
    *("fdisk", "dosfstools", "mtools", "syslinux", "syslinux-common", "qemu-utils"),
)
"""What builds it. They are unpacked beside it and removed with the tree: the host stays as it was."""
PACKAGES = tuple(sorted({*INSIDE, *TOOLS}))
FORMATS = ("qcow2", "raw")
"""Both are kept: raw is what an image store on Ceph can clone, qcow2 is the smaller one to send."""


def key(files: Path = FILES) -> str:
    """A short hash over everything that the image depends on."""
    digest = hashlib.sha256(f"{VERSION}\n{SUITE}\n{' '.join(PACKAGES)}\n".encode())
    for path in sorted(files.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(files)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
