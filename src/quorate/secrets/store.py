"""Secrets of a cluster: generated once, one file each, 0600, never in argv, logs or plans."""

from __future__ import annotations

import os
import secrets as random
import tempfile
from contextlib import suppress
from pathlib import Path


class Secret(str):
    """A string that does not show itself: ``repr`` and ``format`` with ``!r`` print ``***``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write ``content`` to ``path`` so that it is whole or not there at all, 0600, and on the disk.

    Args:
        replace: with it off, what is there already stays: of two commands that make it, one wins.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(temporary).rename(path)
        else:
            with suppress(FileExistsError):
                path.hardlink_to(temporary)
    finally:
        Path(temporary).unlink(missing_ok=True)


class Secrets:
    """The secrets of one cluster, made on first use.

    Args:
        folder: where they are kept (`Home.secrets`).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def password(self, name: str) -> Secret:
        """The password ``name``: 32 hexadecimal digits (128 bits), safe in URLs and configuration files."""
        path = self.folder / name
        if not path.exists():
            write_private(path, random.token_hex(16).encode(), replace=False)
        return Secret(path.read_text())

    def key(self, name: str, size: int) -> bytes:
        """The random key ``name`` of ``size`` bytes."""
        path = self.folder / name
        if not path.exists():
            write_private(path, random.token_bytes(size), replace=False)
        return path.read_bytes()
