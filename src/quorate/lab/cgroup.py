"""A machine's control group (cgroup v2): who lives in it, end all of them at once, know when nobody is left.

Only the unified hierarchy's own files are used (Documentation/admin-guide/cgroup-v2.rst):
``cgroup.procs``, ``cgroup.events`` (``populated``, ``frozen``), ``cgroup.freeze``, and ``cgroup.kill``, which
ends every process of the subtree, stopped and frozen ones too, without a race against new ones.

Where the host has the CPU controller in cgroup v1, a machine is a group there as well: machines then share
the processors evenly, as separate ones would, and inside of each nice(2) says who goes first. In the root
group the kernel's autogroups (sched(7)) make every session, so each service of each machine, weigh the same.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quorate.errors import LabError
from quorate.lab.layout import machine_name, parse_machine_name

REALTIME_US = 150_000
"""Of each second and processor that a machine's real-time processes, Corosync that is, may use
(Documentation/scheduler/sched-rt-group.rst). All machines together cannot have more than 950 000."""


def mount_point(mountinfo: str) -> Path | None:
    """Where cgroup v2 is mounted, from the text of /proc/self/mountinfo (proc_pid_mountinfo(5))."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    return None


def processors(mountinfo: str) -> Path | None:
    """Where the CPU controller of cgroup v1 is mounted, from the text of /proc/self/mountinfo."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = [*after.split(), "", "", ""][:3]
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(before.split()[4])
    return None


def unified() -> Path:
    """Where cgroup v2 is mounted on this host. Raises LabError where it is not."""
    found = mount_point(Path("/proc/self/mountinfo").read_text())
    if found is None:
        raise LabError(
            "this host has no cgroup v2 hierarchy", next_step="mount -t cgroup2 none /sys/fs/cgroup/unified"
        )
    return found


@dataclass(frozen=True)
class Group:
    """The control group of one machine."""

    path: Path

    @classmethod
    def of(cls, lab: str, node: str) -> Group:
        """The group of a node; it need not exist."""
        return cls(unified() / machine_name(lab, node))

    def below(self, name: str) -> Group:
        """The group ``name`` in it: what ends this one ends that one, too."""
        return Group(self.path / name)

    def create(self) -> None:
        """Make it. Harmless when it is there."""
        self.path.mkdir(exist_ok=True)
        share = self._share()
        if share is None:
            return
        share.mkdir(exist_ok=True)
        budget = share / "cpu.rt_runtime_us"
        if budget.exists():
            try:
                budget.write_text(str(REALTIME_US))
            except OSError:  # The machines that there are have it all: this one stays in the root group.
                share.rmdir()

    def _share(self) -> Path | None:
        """The machine's group in the CPU controller of cgroup v1; None where the host has none."""
        root = processors(Path("/proc/self/mountinfo").read_text())
        return root / self.path.name if root else None

    def pids(self) -> list[int]:
        """Every process in it and below, in no order."""
        found: list[int] = []
        for folder, _, _ in os.walk(self.path):
            try:
                found += [int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split()]
            except OSError:
                continue  # it went while we looked
        return found

    def alive(self) -> bool:
        """Whether any process lives in it or below."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except OSError:
            return False

    def kill(self, deadline_s: float = 10.0) -> None:
        """End every process in it and below with SIGKILL, and return when none is left.

        Raises:
            LabError: one was still there after ``deadline_s`` seconds.
        """
        deadline = time.monotonic() + deadline_s
        while self.alive():
            with suppress(OSError):  # removed meanwhile: alive() tells
                (self.path / "cgroup.kill").write_text("1")
            quick = time.monotonic() + 0.5
            while self.alive() and time.monotonic() < quick:
                time.sleep(0.004)
            if time.monotonic() > deadline:
                left = ", ".join(str(pid) for pid in self.pids()[:8])
                raise LabError(
                    f"processes did not end within {deadline_s:g} s of SIGKILL",
                    where=self.path.name,
                    evidence=f"still there: {left}",
                )

    def freeze(self, deadline_s: float = 10.0) -> None:
        """Stop every process in it and below (``cgroup.freeze``), and return when all of them stand.

        Raises:
            LabError: there is none, or one was still running after ``deadline_s`` seconds.
        """
        self._still(frozen=True, deadline_s=deadline_s)

    def thaw(self, deadline_s: float = 10.0) -> None:
        """Let them go on. Harmless when nothing is frozen, or nothing is there."""
        if self.frozen():
            self._still(frozen=False, deadline_s=deadline_s)

    def frozen(self) -> bool:
        """Whether it is frozen, or is going to be."""
        try:
            return (self.path / "cgroup.freeze").read_text().strip() == "1"
        except OSError:
            return False

    def _still(self, *, frozen: bool, deadline_s: float) -> None:
        word, deadline = f"frozen {int(frozen)}", time.monotonic() + deadline_s
        try:
            (self.path / "cgroup.freeze").write_text(str(int(frozen)))
            while word not in (self.path / "cgroup.events").read_text():
                if time.monotonic() > deadline:
                    raise LabError(f"it is not {word!r} after {deadline_s:g} s", where=self.path.name)
                time.sleep(0.004)
        except OSError as error:
            if frozen:
                raise LabError("it cannot be frozen", where=self.path.name, evidence=str(error)) from error

    def remove(self) -> None:
        """Remove it and every group that the machine made in it. Harmless when it is not there."""
        for folder, _, _ in os.walk(self.path, topdown=False):
            try:
                Path(folder).rmdir()
            except FileNotFoundError:
                continue
        share = self._share()
        if share is not None:
            with suppress(FileNotFoundError):
                share.rmdir()


def find() -> dict[tuple[str, str], Group]:
    """Every machine's group on this host, by lab and node."""
    groups = {}
    for path in unified().glob("quorate.*"):
        if parsed := parse_machine_name(path.name):
            groups[parsed] = Group(path)
    return groups
