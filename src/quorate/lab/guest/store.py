"""The guest images on this host: found by their key, never half there."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from quorate.lab.image_store import ImageStore

SPARE = 1
"""Images of older recipes that are kept: a running ``verify`` may be sending one."""


@dataclass(frozen=True)
class GuestStore(ImageStore):
    """The folder ``<state root>/guest-images/<key>`` with guest.qcow2, guest.raw and kernel (its release).

    The lock, the builder's control group and the cleaning up are those of the machines' images, in a folder
    of their own: a lab and a guest image can be built at the same time.
    """

    @property
    def folder(self) -> Path:
        """Where the images are."""
        return self.root / "guest-images"

    @property
    def cache(self) -> Path:
        """Downloaded packages. Not those of the machines: apt locks its cache."""
        return self.root / "cache" / "apt-guest"

    def image(self, key: str, form: str) -> Path:
        """The image ``key`` in one of `recipe.FORMATS`; it need not exist."""
        return self.folder / key / f"guest.{form}"

    def remove_old(self, keep: str) -> list[str]:
        """Remove the images of older recipes, except the newest `SPARE`. Call it with the lock held.

        Returns:
            The keys of those that were removed.
        """
        old = [path.parent for path in self.folder.glob("[!.]*/guest.qcow2") if path.parent.name != keep]
        doomed = sorted(old, key=lambda path: path.stat().st_mtime)[:-SPARE]
        for path in doomed:
            aside = self.folder / f".removing-{path.name}"
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        return sorted(path.name for path in doomed)


def describe(image: Path) -> dict[str, str | int]:
    """What there is to say about an image: path, size and virtual size in bytes, SHA-256, kernel release."""
    data = image.read_bytes()  # 13 MB at most
    raw = image.with_suffix(".raw")
    return {
        "path": str(image),
        "bytes": image.stat().st_blocks * 512 if image == raw else len(data),
        "virtual_bytes": raw.stat().st_size,
        "sha256": hashlib.sha256(data).hexdigest(),
        "kernel": (image.parent / "kernel").read_text().strip(),
    }
