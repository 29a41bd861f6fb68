"""The images on this host: found by their key, built when missing, never half there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from quorate.lab.cgroup import Group, unified
from quorate.lab.hardware import parse
from quorate.lab.locks import held
from quorate.lab.recipe import Recipe

SPARE = 4
"""Images that are kept though nothing needs them now: each set of services has its own."""
ARCHIVES = "archives"
"""A build's own packages, in its folder."""
BUILD_S = 1800.0
"""A build takes one to three minutes; a mirror that trickles for half an hour is as good as dead."""


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

    def building(self, recipe: Recipe) -> Path:
        """Where the image is while it is being built."""
        return self.folder / f".building-{recipe.key}"

    def has(self, recipe: Recipe) -> bool:
        """Whether the image is there, whole."""
        return self.rootfs(recipe.key).is_dir()

    def leftovers(self) -> list[Path]:
        """Folders that an interrupted build or removal left. Only meaningful while the lock is held."""
        return sorted([*self.folder.glob(".building-*"), *self.folder.glob(".removing-*")])

    def needed(self) -> set[str]:
        """The keys of the images that machines and snapshots are defined with, running or not.

        Raises:
            OSError, ValueError, KeyError, TypeError: a definition cannot be read, so nobody knows.
        """
        # The folder may be a link to another state root's: then that one's labs count too.
        roots = {self.root.resolve(), self.folder.resolve().parent}
        kinds = ("labs/*/*/machine.json", "snapshots/*/*/nodes/*/machine.json")
        return {parse(path.read_text()).image for root in roots for kind in kinds for path in root.glob(kind)}

    def prune(self, *keep: Recipe) -> list[str]:
        """Remove images that no machine, snapshot or process needs, except the newest `SPARE` of those.

        Call it with the lock held. Where anything cannot be read, nothing is removed.

        Args:
            keep: the recipes whose images stay in any case.

        Returns:
            The keys of those that were removed.
        """
        try:
            stay = {recipe.key for recipe in keep} | self.needed() | mounted()
        except (OSError, ValueError, KeyError, TypeError):
            return []
        idle = [path for path in self.folder.glob("[!.]*/rootfs") if path.parent.name not in stay]
        doomed = sorted(idle, key=lambda path: path.parent.stat().st_mtime)[:-SPARE]
        for path in doomed:
            aside = self.folder / f".removing-{path.parent.name}"
            path.parent.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        return sorted(path.parent.name for path in doomed)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One builder at a time on this host; others wait here, and then find the image built."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with held(self.folder / ".lock", BUILD_S):
            yield

    @property
    def builder(self) -> Group:
        """The control group of whoever holds the lock and builds, so that all of it can be ended."""
        return Group(unified() / f"quorate-image-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}")

    def clean(self) -> None:
        """End and remove what interrupted builds left, but no package. Call it with the lock held."""
        self.builder.kill()
        self.builder.remove()
        for path in self.leftovers():
            link_packages(path / ARCHIVES, self.cache)
            shutil.rmtree(path, ignore_errors=True)


def link_packages(source: Path, target: Path) -> None:
    """Give the folder ``target`` a hard link to every package in ``source`` that it lacks."""
    target.mkdir(parents=True, exist_ok=True)
    for package in source.glob("*.deb"):
        with suppress(FileExistsError):
            os.link(package, target / package.name)


def mounted(proc: Path = Path("/proc")) -> set[str]:
    """The keys of the images in any process's mount table (proc_pid_mountinfo(5)), of whatever state root."""
    found: set[str] = set()
    for path in proc.glob("[0-9]*/mountinfo"):
        with suppress(OSError):  # it ended while we looked
            found.update(re.findall(r"/images/([0-9a-f]+)/rootfs", path.read_text(errors="replace")))
    return found
