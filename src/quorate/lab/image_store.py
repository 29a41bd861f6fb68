"""The images on this host: found by their key, built when missing, never half there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quorate.lab.cgroup import Group, unified
from quorate.lab.recipe import Recipe


@dataclass(frozen=True)
class ImageStore:
    """The folder of images: ``<state root>/images/<key>/rootfs``, and the cache of downloaded packages.

    Args:
        root: the state root.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """Where the images are."""
        return self.root / "images"

    @property
    def cache(self) -> Path:
        """Downloaded packages, so that a second or an interrupted build does not fetch them again."""
        return self.root / "cache" / "apt"

    def rootfs(self, key: str) -> Path:
        """The root file system of the image ``key``; it need not exist."""
        return self.folder / key / "rootfs"

    def has(self, recipe: Recipe) -> bool:
        """Whether the image is there, whole."""
        return self.rootfs(recipe.key).is_dir()

    def leftovers(self) -> list[Path]:
        """Folders that an interrupted build left. Only meaningful while the lock is held."""
        return sorted(self.folder.glob(".building-*"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One builder at a time on this host; others wait here, and then find the image built."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @property
    def builder(self) -> Group:
        """The control group that the one build at a time runs in, so that all of it can be ended."""
        return Group(unified() / f"quorate-image-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}")

    def clean(self) -> None:
        """End and remove what interrupted builds left. Call it with the lock held."""
        self.builder.kill()
        self.builder.remove()
        for path in self.leftovers():
            shutil.rmtree(path, ignore_errors=True)
