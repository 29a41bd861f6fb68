"""Build a machine image from Debian packages with mmdebstrap(1)."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from quorate.errors import LabError
from quorate.events import Event, Kind, Listener
from quorate.lab.aptsources import Mirror
from quorate.lab.image_store import BUILD_S, ImageStore
from quorate.lab.recipe import FILES, Recipe

SUBJECT = "image"
HOOKS = ("setup", "essential", "customize")
"""The hooks that are ours, in the order in which mmdebstrap runs them."""
APT = (
    'APT::Install-Recommends "false"',
    'Acquire::Languages "none"',
    'Acquire::Retries "2"',
    'Acquire::http::Timeout "20"',
    'Acquire::https::Timeout "20"',
    'Binary::apt-get::APT::Keep-Downloaded-Packages "true"',
)
_DPKG = (
    "force-unsafe-io",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
)


class Progress:
    """Reads the builder's output line by line and knows how far it is.

    The builder installs twice: the essential packages (about a tenth of the work), then all others. The
    shares of unpacking and configuring are measured on two cores.
    """

    def __init__(self) -> None:
        self.round = self.total = 0
        self.fetched = self.unpacked = self.configured = 0
        self._fraction = 0.02

    def line(self, line: str) -> str | None:
        """Take one line in; hand back what to tell the reader, or None where nothing is worth telling."""
        text = self._read(line)
        begin, size = (0.02, 0.1) if self.round < 2 else (0.12, 0.76)
        if self.total:
            share = 0.5 * self.unpacked / self.total + 0.5 * self.configured / self.total
            self._fraction = max(self._fraction, begin + size * min(1.0, share))
        return text

    def _read(self, line: str) -> str | None:
        if match := re.match(r".*?(\d+) newly installed", line):
            self.round, self.total = self.round + 1, int(match[1])
            self.fetched = self.unpacked = self.configured = 0
            return f"{self.total} packages"
        if line.startswith("Get:"):
            self.fetched += 1
            return f"downloading {self.fetched}"
        if line.startswith("Unpacking "):
            self.unpacked += 1
            return f"unpacking {line.split()[1]}"
        if line.startswith("Setting up "):
            self.configured += 1
            return f"setting up {line.split()[2]}"
        if line.startswith("I: running --customize-hook"):
            self._fraction = 0.9
            return "compiling Python, presets"
        return None

    @property
    def fraction(self) -> float:
        """How far, 0 to 1. Never falls."""
        return self._fraction


def command(recipe: Recipe, mirror: Mirror, target: Path) -> list[str]:
    """The mmdebstrap call. It runs in a mount namespace of its own, so that its mounts end with it."""
    return [
        *("unshare", "--mount", "--propagation", "private", "--"),
        *("mmdebstrap", "--verbose", "--variant=minbase", "--mode=root", "--format=directory"),
        f"--include={','.join(recipe.include)}",
        *(f"--aptopt={option}" for option in APT),
        *(f"--dpkgopt={option}" for option in _DPKG),
        "--skip=essential/unlink,cleanup/apt/cache",
        *(f'--{hook}-hook=sh {quote(str(FILES / f"{hook}.sh"))} "$1"' for hook in HOOKS),
        recipe.suite,
        str(target),
        *mirror.lines(recipe.suite),
    ]


def reason(lines: Iterable[str]) -> str:
    """The lines of the builder's output that tell why it failed: complaints, and what stood before."""
    said = [line for line in lines if line]
    marks = ("E:", "Err:", "dpkg: error")
    complaints = [index for index, line in enumerate(said) if line.startswith(marks)]
    if not complaints:
        return "\n".join(said[-8:])
    wanted = {*complaints[-6:], *range(max(0, complaints[-1] - 5), complaints[-1])}
    return "\n".join(said[index] for index in sorted(wanted))


def ensure(
    store: ImageStore, recipe: Recipe, mirror: Mirror, listener: Listener, keep: Iterable[Recipe] = ()
) -> Path:
    """The root file system of ``recipe``, built if it is not there yet.

    Args:
        keep: recipes whose images stay, too, when old images are removed afterwards.

    Raises:
        LabError: the mirror does not answer, a package does not exist, … Nothing half-built stays.
    """
    target = store.rootfs(recipe.key)
    if store.has(recipe):
        return target
    listener(
        Event(
            Kind.STARTED, SUBJECT, f"building {recipe.key}: {len(recipe.include)} packages and what they need"
        )
    )
    with store.locked():
        store.clean()
        if store.has(recipe):
            listener(Event(Kind.DONE, SUBJECT, f"{recipe.key} was built by another run"))
            return target
        started = time.monotonic()
        building = store.folder / f".building-{recipe.key}"
        (store.cache / "partial").mkdir(parents=True, exist_ok=True)
        try:
            building.mkdir(mode=0o755)
            run(command(recipe, mirror, building / "rootfs"), store, mirror, listener)
            store.builder.remove()
            building.rename(store.folder / recipe.key)
            pruned = store.prune(recipe, *keep)
        except BaseException:
            store.clean()
            raise
        listener(Event(Kind.DONE, SUBJECT, f"{recipe.key} built in {time.monotonic() - started:.0f} s", 1.0))
        if pruned:
            text = f"removed {', '.join(pruned)}, which no machine and no snapshot needs"
            listener(Event(Kind.NOTE, SUBJECT, text))
    return target


def run(
    argv: list[str], store: ImageStore, mirror: Mirror, listener: Listener, subject: str = SUBJECT
) -> None:
    """Run a builder to its end in the store's control group, telling how far it is. The lock has to be held.

    Raises:
        LabError: it failed, with what it said, or took longer than `BUILD_S`.
    """
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "QUORATE_APT_CACHE": str(store.cache),
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
    }
    progress, tail = Progress(), deque[str](maxlen=400)
    store.builder.create()
    enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(store.builder.path)]
    process = subprocess.Popen(
        [*enter, *argv], env=environment, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    too_long = threading.Event()

    def give_up() -> None:
        too_long.set()
        store.builder.kill()

    # A timer, because a builder that hangs says nothing.
    watchdog = threading.Timer(BUILD_S, give_up)
    watchdog.start()
    try:
        for line in process.stdout:
            tail.append(line.rstrip())
            if text := progress.line(line):
                listener(Event(Kind.PROGRESS, subject, text, progress.fraction))
        failed = process.wait() != 0
        if too_long.is_set():
            raise LabError(
                f"the {subject} was not built within {BUILD_S / 60:.0f} minutes", evidence=reason(tail)
            )
        if failed:
            raise LabError(
                f"the {subject} could not be built",
                where=re.sub("//[^/@]*@", "//", mirror.archive),  # a password may be in it
                evidence=reason(tail),
                next_step="see whether the mirror answers, or name another one with --mirror",
            )
    finally:
        watchdog.cancel()
        store.builder.kill()
        process.wait()
        process.stdout.close()
