"""Keep a whole lab as it is at one moment, and bring it back: disks, and the cluster's folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from quorate.errors import LabError, UsageError
from quorate.events import Event, Kind, Listener
from quorate.home import Home
from quorate.lab import ext4, hardware, power, shared_disks
from quorate.lab.layout import LabFolder, NodeFolder
from quorate.lab.raise_machines import in_parallel
from quorate.lab.run import run

FREEZE_MAX_S = 60
"""A helper ends the freeze after so many seconds, or at once when this process dies."""
_GUARD = (
    'timeout "$1" cat > /dev/null; shift; for fs in "$@"; do fsfreeze --unfreeze "$fs" 2> /dev/null; done'
)


@dataclass(frozen=True)
class Snapshot:
    """One snapshot: ``<state root>/snapshots/<lab>/<name>``."""

    path: Path

    @classmethod
    def of(cls, root: Path, lab: str, name: str) -> Snapshot:
        """The snapshot ``name`` of a lab; it need not exist.

        Raises:
            UsageError: that cannot be the name of a snapshot.
        """
        if not name or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 64:
            raise UsageError(f"{name!r} cannot be a snapshot's name: letters, digits, - and _ can")
        return cls(root / "snapshots" / lab / name)

    @property
    def name(self) -> str:
        """Its name."""
        return self.path.name

    @property
    def home(self) -> Path:
        """The copy of the cluster's folder."""
        return self.path / "home"

    @property
    def nodes(self) -> list[Path]:
        """The copies of the machines."""
        return sorted(path.parent for path in self.path.glob("nodes/*/machine.json"))

    def _disks(self) -> list[Path]:
        return [*self.path.glob("nodes/*/disk.img"), *self.path.glob("shared/*.img")]

    def info(self) -> dict[str, object]:
        """When it was made, and what is in it."""
        data: dict[str, object] = json.loads((self.path / "snapshot.json").read_text())
        used = sum(disk.stat().st_blocks * 512 for disk in self._disks())
        return {"name": self.name, **data, "mib": used >> 20}


def listing(root: Path, lab: str) -> list[Snapshot]:
    """The snapshots of a lab, by name."""
    return [Snapshot(path.parent) for path in sorted((root / "snapshots" / lab).glob("[!.]*/snapshot.json"))]


def save(lab: LabFolder, snapshot: Snapshot, listener: Listener) -> None:
    """Keep the lab as it is now. One that is running goes on; its disks stand still while they are copied.

    Raises:
        LabError: there is no such lab, or a disk could not be frozen or copied. Nothing half-made stays.
    """
    folders = lab.nodes()
    if not folders:
        raise LabError(f"there is no lab {lab.name}", next_step="./quorate lab list shows what there is")
    subject = f"snapshot {snapshot.name}"
    listener(Event(Kind.STARTED, subject, f"saving {len(folders)} machines"))
    started = time.monotonic()
    snapshot.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = snapshot.path.with_name(f".new-{snapshot.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(mode=0o700)
        with ExitStack() as stack:
            for folder in folders:  # always in the order of their names, so two cannot wait for each other
                stack.enter_context(power.locked(folder))
            on = [path for folder in folders if (path := power.filesystem(folder))]
            on += [path for folder in folders for path in shared_disks.mounts(folder)]
            held = time.monotonic()
            with frozen(on):
                in_parallel(lambda folder: _copy(folder.path, temporary / "nodes" / folder.node), folders)
                shared_disks.copy(lab.shared, temporary / "shared")
                _copy_home(Home.of(lab.name, lab.root).path, temporary / "home")
            held = time.monotonic() - held
        names = [folder.node for folder in folders]
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        (temporary / "snapshot.json").write_text(json.dumps({"lab": lab.name, "made": made, "nodes": names}))
        doomed = _aside(snapshot)
        temporary.rename(snapshot.path)
        shutil.rmtree(doomed, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    took = time.monotonic() - started
    listener(Event(Kind.DONE, subject, f"saved in {took:.1f} s; the disks stood still for {held:.1f} s"))


def check(snapshot: Snapshot, lab: LabFolder) -> None:
    """See that there is such a snapshot, and what its machines boot from, before anything is touched.

    Raises:
        UsageError: there is no such snapshot.
        LabError: the image that its machines boot from is not there any more.
    """
    if not snapshot.nodes:
        there = ", ".join(one.name for one in listing(lab.root, lab.name)) or "none"
        raise UsageError(
            f"the lab {lab.name} has no snapshot {snapshot.name}", next_step=f"there is: {there}"
        )
    for path in snapshot.nodes:
        image = hardware.parse((path / "machine.json").read_text()).image
        if not (lab.root / "images" / image / "rootfs").is_dir():
            raise LabError(
                f"the image {image} of this snapshot is not there any more",
                where=str(snapshot.path),
                next_step="raise a new lab: ./quorate lab up",
            )


def put_back(snapshot: Snapshot, lab: LabFolder, listener: Listener) -> None:
    """Give the lab's folder and the cluster's `Home` the contents of the snapshot. Machines have to be off.

    The snapshot stays as it is. Histories made since stay too. `check` it before.

    Raises:
        LabError: a copy failed.
    """
    lab.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {path.name for path in snapshot.nodes}
    for folder in lab.nodes():
        if folder.node not in names:
            shutil.rmtree(folder.path)
    in_parallel(lambda folder: _copy(snapshot.path / "nodes" / folder.node, folder.path),
                [lab.node(name) for name in sorted(names)])  # fmt: skip
    shared_disks.copy(snapshot.path / "shared", lab.shared)
    home = Home.of(lab.name, lab.root)
    home.create()
    for path in home.path.iterdir():
        if path != home.history:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    _copy_home(snapshot.home, home.path)
    listener(Event(Kind.NOTE, f"snapshot {snapshot.name}", "disks and keys are back"))


def remove(snapshot: Snapshot) -> None:
    """Remove a snapshot. Harmless when there is none."""
    doomed = _aside(snapshot)
    if doomed.exists():
        shutil.rmtree(doomed)


def _aside(snapshot: Snapshot) -> Path:
    """Move what is there out of the way; hands back where it is then."""
    doomed = snapshot.path.with_name(f".old-{snapshot.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    if snapshot.path.exists():
        snapshot.path.rename(doomed)
    return doomed


@contextmanager
def frozen(file_systems: list[Path]) -> Iterator[None]:
    """No write reaches the file systems inside this block; all are thawed afterwards, whatever happens.

    Raises:
        LabError: one could not be frozen.
    """
    if not file_systems:
        yield
        return
    paths = [str(path) for path in file_systems]
    # Holds a pipe to us: ends the freeze when we close it, when we die, or when the time is up.
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, "guard", str(FREEZE_MAX_S), *paths],
        stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    started = time.monotonic()
    done: list[Path] = []
    try:
        for path in file_systems:
            try:
                ext4.freeze(path)
            except OSError as error:
                raise LabError("a disk could not be frozen", where=str(path), evidence=str(error)) from error
            done.append(path)
        yield
        if time.monotonic() - started >= FREEZE_MAX_S:
            raise LabError(f"the disks could not be copied within {FREEZE_MAX_S} s", next_step="try again")
    finally:
        for path in done:
            with suppress(OSError):  # thawed by the guard, or its machine lost power
                ext4.thaw(path)
        assert guard.stdin
        guard.stdin.close()
        guard.wait(timeout=30)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = target / "disk.new"
    argv = ["cp", "--sparse=always", "--reflink=auto", str(source / "disk.img"), str(new)]
    try:
        run(argv, timeout_s=300, what="a disk could not be copied")
    except BaseException:
        new.unlink(missing_ok=True)  # a full disk does not stay full because of it
        raise
    shutil.copytree(source / "seed", target / "seed", dirs_exist_ok=True)
    new.rename(target / "disk.img")
    shutil.copy2(source / "machine.json", target / "machine.json")


def _copy_home(source: Path, target: Path) -> None:
    def skip(folder: str, names: list[str]) -> list[str]:
        return ["history"] if Path(folder) == source and "history" in names else []

    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=skip, dirs_exist_ok=True)
        target.chmod(0o700)


def nodes_of(snapshot: Snapshot, lab: LabFolder) -> list[NodeFolder]:
    """The machines that the snapshot holds, as folders of ``lab``."""
    return [lab.node(path.name) for path in snapshot.nodes]
