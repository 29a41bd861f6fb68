"""What runs on a storage node: complete units of our own, of the packages' names where these have one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from quorate.resources.base import Resource
from quorate.resources.file import file
from quorate.resources.unit import unit
from quorate.services.objects.layout import RINGS
from quorate.services.rendering import render

SYSTEM = "/etc/systemd/system"
RSYNC, SWEEP, TIMER = "swift-rsync.service", "swift-sweep.service", "swift-sweep.timer"
RSYNC_CONFIG, EXPIRER_CONFIG = "/etc/swift/rsyncd.conf", "/etc/swift/object-expirer.conf"
RUNS = "runs with its files"
SERVERS = tuple(f"swift-{ring.name}.service" for ring in RINGS)
BACKGROUND = tuple(
    f"swift-{name}.service"
    for name in (
        "account-replicator",
        "container-replicator",
        "object-replicator",
        "container-updater",
        "object-updater",
    )
)
UNUSED = tuple(
    f"swift-{name}.service"
    for name in (
        "account-auditor",
        "account-reaper",
        "container-auditor",
        "container-reconciler",
        "container-sharder",
        "container-sync",
        "object-auditor",
        "object-expirer",
        "object-reconstructor",
    )
)
"""Of the packages: those that go through everything once in a while run in the sweep, one after the other;
the rest is for several policies, erasure codes, other clusters and giant containers."""
SWEPT = ("account-auditor", "container-auditor", "object-auditor", "account-reaper", "object-expirer")


def config(part: str) -> str:
    """Path of the configuration of a program: "object-updater" has that of the object server."""
    if part == "object-expirer":
        return EXPIRER_CONFIG
    return f"/etc/swift/{part.split('-')[0]}-server.conf"


@dataclass(frozen=True)
class Daemon:
    """One of Swift's programs as a unit.

    Attributes:
        unit: with its suffix.
        text: the whole unit.
        watched: files; when one changes, it is restarted.
    """

    unit: str
    text: str
    watched: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where its unit is."""
        return f"{SYSTEM}/{self.unit}"

    def known(self) -> tuple[Resource, Resource]:
        """Its unit as a file, and as one that systemd has read and starts at boot."""
        written = file(self.path, self.text)
        return written, unit(self.unit, enabled=True, read=True, after=(written.id,))

    def running(self, *, serial: bool, after: tuple[str, ...] = ()) -> Resource:
        """It runs, with the files as they are."""
        running = unit(
            self.unit, active=True, restart_on=(*self.watched, self.path), serial=serial, after=after
        )
        return replace(running, name=f"{self.unit}: {RUNS}")


def rsync() -> Daemon:
    """The daemon that replicators write through. The host's own, if it has one, is left alone."""
    command = f"/usr/bin/rsync --daemon --no-detach --config={RSYNC_CONFIG}"
    text = _text("rsync daemon", (command,), user="root", runtime="swift-rsync")
    return Daemon(RSYNC, text, (RSYNC_CONFIG,))


def servers() -> Iterable[Daemon]:
    """What answers for accounts, containers and objects. Started is: it listens."""
    for ring in RINGS:
        path = config(ring.name)
        text = _text(f"{ring.name} server", (f"/usr/bin/swift-{ring.name}-server {path}",), kind="notify")
        yield Daemon(f"swift-{ring.name}.service", text, (path, "/etc/swift/swift.conf"))


def background() -> Iterable[Daemon]:
    """What brings replicas together and does what was put off."""
    for name in BACKGROUND:
        part = name.removeprefix("swift-").removesuffix(".service")
        text = _text(part.replace("-", " "), (f"/usr/bin/swift-{part} {config(part)}",), quiet=True)
        yield Daemon(name, text, (config(part), "/etc/swift/swift.conf"))


def sweep(minutes: int) -> tuple[Resource, ...]:
    """What goes through everything once in a while: a service and the timer that starts it."""
    commands = tuple(f"-/usr/bin/swift-{part} {config(part)} once" for part in SWEPT)
    text = _text("audit, reap, expire", commands, kind="oneshot", quiet=True, enabled=False)
    files = (
        file(f"{SYSTEM}/{SWEEP}", text),
        file(f"{SYSTEM}/{TIMER}", render("swift/sweep.timer.j2", minutes=minutes)),
    )
    timer = unit(
        TIMER,
        enabled=True,
        active=True,
        restart_on=(f"{SYSTEM}/{TIMER}",),
        after=tuple(each.id for each in files),
    )
    known = unit(SWEEP, read=True, after=(files[0].id,))
    return (*files, known, timer)


def _text(
    description: str,
    commands: tuple[str, ...],
    *,
    kind: str = "simple",
    user: str = "swift",
    runtime: str = "",
    quiet: bool = False,
    enabled: bool = True,
) -> str:
    return render(
        "swift/daemon.service.j2",
        description=description,
        commands=commands,
        type=kind,
        user=user,
        runtime=runtime,
        background=quiet,
        enabled=enabled,
    )
