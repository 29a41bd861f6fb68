"""Build the guest image with mmdebstrap(1), which here only unpacks packages: nothing is configured.

The tree of packages is made in the image's own folder, the image is built inside of it, and the tree is
thrown away. An initramfs of ours instead of Debian's, because that one looks for a root file system.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote

from quorate.errors import PreconditionError
from quorate.events import Event, Kind, Listener
from quorate.lab import host, image_build
from quorate.lab.aptsources import SUITE, Mirror
from quorate.lab.guest import recipe
from quorate.lab.guest.store import GuestStore

SUBJECT = "guest image"
NEEDED = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux"}
"""Programs of the host that are needed, and the Debian package that brings each."""


def unpack(packages: Sequence[str], mirror: Mirror, tree: Path, *hooks: str) -> list[str]:
    """The mmdebstrap call that unpacks packages, and all that they depend on.

    Args:
        packages: Debian packages.
        mirror: where they come from.
        tree: the folder that it makes.
        hooks: shell commands to run then; their ``$1`` is the tree, with /proc and /dev in it.
    """
    return [
        *("unshare", "--mount", "--propagation", "private", "--"),
        *("mmdebstrap", "--verbose", "--variant=extract", "--mode=root", "--format=directory"),
        f"--include={','.join(packages)}",
        *(f"--aptopt={option}" for option in image_build.APT),
        "--skip=cleanup/apt/cache",
        f'--setup-hook=sh {quote(str(recipe.FILES / "setup.sh"))} "$1"',
        '--extract-hook=umount "$1/var/cache/apt/archives"',
        *(f"--extract-hook={hook}" for hook in hooks),
        *(SUITE, str(tree), *mirror.lines()),
    ]


def run(argv: list[str], store: GuestStore, mirror: Mirror, listener: Listener) -> None:
    """Run such a call to its end. The store's lock has to be held.

    Raises:
        LabError: it failed, with what it said.
    """
    (store.cache / "partial").mkdir(parents=True, exist_ok=True)
    image_build.run(argv, store.builder, store.cache, mirror, listener, SUBJECT)
    store.builder.remove()


def check_host(listener: Listener) -> None:
    """Install what the builder needs on this host, where it is missing.

    Raises:
        PreconditionError: this is not root, or a package cannot be installed.
    """
    if os.geteuid() != 0:
        raise PreconditionError("building the guest image needs root", next_step="run it with sudo")
    host.provide(NEEDED, listener)


def ensure(store: GuestStore, mirror: Callable[[], Mirror], listener: Listener, form: str = "qcow2") -> Path:
    """The guest image, built if it is not there yet.

    Args:
        store: where it is kept.
        mirror: says where Debian comes from; only asked when there is something to build.
        form: one of `recipe.FORMATS`.

    Raises:
        PreconditionError: it has to be built, and this host cannot.
        LabError: the mirror does not answer, … Nothing half-built stays.
    """
    key = recipe.key()
    path = store.image(key, form)
    if path.exists():
        return path
    check_host(listener)
    source = mirror()
    listener(Event(Kind.STARTED, SUBJECT, f"building {key} from Debian's kernel and busybox"))
    with store.locked():
        store.clean()
        if path.exists():
            listener(Event(Kind.DONE, SUBJECT, f"{key} was built by another run"))
            return path
        started = time.monotonic()
        image = store.folder / f".building-{key}" / "image"
        try:
            image.mkdir(mode=0o755, parents=True)
            hook = f'sh {quote(str(recipe.FILES / "extract.sh"))} "$1" {quote(str(image))}'
            run(unpack(recipe.PACKAGES, source, image.parent / "tree", hook), store, source, listener)
            image.rename(store.folder / key)
            store.remove_old(key)
        finally:
            store.clean()
        listener(Event(Kind.DONE, SUBJECT, f"{key} built in {time.monotonic() - started:.0f} s", 1.0))
    return path
