"""Build a machine image from Debian packages with mmdebstrap(1)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from shlex import quote

from quorate.errors import LabError
from quorate.events import Event, Kind, Listener
from quorate.lab.aptsources import Mirror
from quorate.lab.cgroup import Group
from quorate.lab.image_store import ARCHIVES, BUILD_S, ImageStore, link_packages
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
    store: ImageStore, recipes: Iterable[Recipe], mirror: Callable[[], Mirror], listener: Listener
) -> None:
    """Build those of ``recipes`` whose images are not there yet, all at the same time.

    Args:
        mirror: says where Debian comes from; only asked when there is something to build.

    Raises:
        LabError: the mirror does not answer, a package does not exist, … Nothing half-built stays.
    """
    wanted = list(dict.fromkeys(recipes))
    if all(map(store.has, wanted)):
        return
    source = mirror()
    listener(Event(Kind.STARTED, SUBJECT, f"{sum(not store.has(one) for one in wanted)} to build"))
    with store.locked():
        store.clean()
        missing = [recipe for recipe in wanted if not store.has(recipe)]
        try:
            with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
                builds = [pool.submit(build, store, recipe, source, listener) for recipe in missing]
                try:
                    for done in as_completed(builds):
                        done.result()
                except BaseException:
                    while wait(builds, timeout=0.1).not_done:  # one that only now begins ends as well
                        store.builder.kill()
                    raise
            pruned = store.prune(*wanted)
        finally:
            store.clean()
        listener(Event(Kind.DONE, SUBJECT, "all that is needed is there", 1.0))
        if pruned:
            text = f"removed {', '.join(pruned)}, which no machine and no snapshot needs"
            listener(Event(Kind.NOTE, SUBJECT, text))


def build(store: ImageStore, recipe: Recipe, mirror: Mirror, listener: Listener) -> None:
    """Build one image. The store's lock has to be held.

    apt locks its cache: packages that were downloaded before are linked into one of the build's own, and
    what it downloads is linked into the store's (after a build that failed, by `ImageStore.clean`).

    Raises:
        LabError: as `run`.
    """
    subject = f"{SUBJECT} {recipe.key}"
    count = len(recipe.include)
    listener(Event(Kind.STARTED, subject, f"building: {count} packages and what they need"))
    started = time.monotonic()
    building = store.building(recipe)
    archives = building / ARCHIVES
    (archives / "partial").mkdir(parents=True)
    link_packages(store.cache, archives)
    group = store.builder.below(recipe.key)
    run(command(recipe, mirror, building / "rootfs"), group, archives, mirror, listener, subject)
    link_packages(archives, store.cache)
    shutil.rmtree(archives)
    building.rename(store.folder / recipe.key)
    listener(Event(Kind.DONE, subject, f"built in {time.monotonic() - started:.0f} s", 1.0))


def run(
    argv: list[str], group: Group, archives: Path, mirror: Mirror, listener: Listener, subject: str
) -> None:
    """Run a builder to its end in ``group``, telling how far it is. The store's lock has to be held.

    Args:
        archives: where apt keeps what it downloads; no other builder's.

    Raises:
        LabError: it failed, with what it said, or took longer than `BUILD_S`.
    """
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "QUORATE_APT_CACHE": str(archives),
        **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
    }
    progress, tail = Progress(), deque[str](maxlen=400)
    group.path.mkdir(parents=True, exist_ok=True)
    enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(group.path)]
    process = subprocess.Popen(
        [*enter, *argv], env=environment, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    too_long = threading.Event()

    def give_up() -> None:
        too_long.set()
        group.kill()

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
        group.kill()
        process.wait()
        process.stdout.close()
