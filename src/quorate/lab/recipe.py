"""What a machine image is made of. Two recipes that would give the same image have the same key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from quorate.lab.aptsources import SUITE

VERSION = 1
"""Raised when the builder changes in a way that its files and package list do not show."""
FILES = Path(__file__).parent / "image"
"""Hook scripts and the files laid over the image."""
BASE = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "iproute2",
    "ethtool",
    "nftables",
    "conntrack",
    "procps",
    "iputils-ping",
    "iputils-arping",
    "ca-certificates",
    "curl",
    "rsync",
    "socat",
    "psmisc",
    "lsof",
    "less",
)
"""What every machine has, whatever runs on it: what a minimal Debian host reached over SSH would have."""


@dataclass(frozen=True)
class Recipe:
    """A list of Debian packages, and how they become an image.

    Args:
        packages: what the services need; the base is added.
        suite: Debian's code name.
    """

    packages: tuple[str, ...]
    suite: str = SUITE

    @property
    def include(self) -> tuple[str, ...]:
        """Every package that is asked for, sorted, each once."""
        return tuple(sorted({*BASE, *self.packages}))

    @property
    def key(self) -> str:
        """A short hash over everything that the image depends on, except the mirror and the date."""
        digest = hashlib.sha256(f"{VERSION}\n{self.suite}\n{' '.join(self.include)}\n".encode())
        for path in sorted(FILES.rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(FILES)).encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:12]
