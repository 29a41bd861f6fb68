#!/usr/bin/env python3
"""What a whole lab costs at rest: memory (PSS of every process) and CPU (control groups' own account).

    benchmarks/rest.py [--name lab] [--seconds 60] [--identity] [--control]

PSS counts a page that n processes share as 1/n in each (proc_pid_smaps(5)), so the sum counts it once. CPU is
``usage_usec`` of each machine's control group, which holds what ended processes used too; BMCs are added.
The targets are the whole platform's, or with ``--identity`` those of examples/identity.yaml.
``--control`` measures the idle host for as long first: run that with the lab down, to know the floor.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import report, say

TARGET_GIB = 16.0
IDENTITY_GIB, IDENTITY_CORES = 5.0, 0.25
UNIFIED = next(
    Path(line.split()[4])
    for line in Path("/proc/self/mountinfo").read_text().splitlines()
    if line.partition(" - ")[2].startswith("cgroup2 ")
)
TICKS = os.sysconf("SC_CLK_TCK")


def machines(lab: str) -> dict[str, Path]:
    """Node to its control group."""
    return {path.name.rpartition(".")[2]: path for path in sorted(UNIFIED.glob(f"quorate.{lab}.*"))}


def members(group: Path) -> list[int]:
    """Every process of a machine."""
    return [
        int(pid)
        for folder, _, _ in os.walk(group)
        for pid in (Path(folder) / "cgroup.procs").read_text().split()
    ]


def beside(lab: str) -> list[int]:
    """The processes of the lab that are outside its machines: BMCs and the machines' supervisors."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                served = any(f"/labs/{lab}/" in word for word in words)
                if served and ("quorate.lab.bmc" in words or Path(words[0]).name == "systemd-nspawn"):
                    found.append(int(entry.name))
    return found


def stat(pid: int) -> tuple[str, float]:
    """A process's name, and the CPU seconds of it and of the children it has reaped (proc_pid_stat(5))."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return text.partition("(")[2].rpartition(")")[0], sum(
        int(fields[number]) for number in (11, 12, 13, 14)
    ) / TICKS


def pss_mib(pid: int) -> float:
    """Proportional set size, in MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def usage_s(group: Path) -> float:
    """CPU seconds that a machine has used, ended processes included."""
    text = (group / "cpu.stat").read_text()
    return int(text.partition("usage_usec ")[2].split()[0]) / 1e6


def host_busy_s() -> float:
    """CPU seconds that the whole host was not idle (proc_stat(5)): all but idle and iowait."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def consumption(pids: list[int]) -> dict[int, tuple[str, float]]:
    """Process to name and CPU seconds, for those that still run."""
    found = {}
    for pid in pids:
        with suppress(OSError):
            found[pid] = stat(pid)
    return found


def memory(groups: dict[str, list[int]]) -> tuple[dict[str, float], Counter[str]]:
    """MiB by group, and by process name."""
    by_group: dict[str, float] = {}
    by_name: Counter[str] = Counter()
    for name, pids in groups.items():
        by_group[name] = 0.0
        for pid in pids:
            with suppress(OSError):
                size = pss_mib(pid)
                by_group[name] += size
                by_name[stat(pid)[0]] += size  # type: ignore[assignment]
    return by_group, by_name


def main() -> None:
    """Measure, print, and end with 1 where a target was missed."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--name", default="lab")
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--control", action="store_true", help="the idle host only, with the lab down")
    arguments.add_argument("--identity", action="store_true", help="judge it as the identity plane")
    given = arguments.parse_args()
    most_gib, most_cores = (IDENTITY_GIB, IDENTITY_CORES) if given.identity else (TARGET_GIB, math.inf)
    nodes = machines(given.name)
    if given.control:
        if any(UNIFIED.glob("quorate.*.*")):
            raise SystemExit("a lab is running: a control run needs the host to itself")
        busy = host_busy_s()
        time.sleep(given.seconds)
        cores = (host_busy_s() - busy) / given.seconds
        report("The host without a lab", [["measured", "cores"], [f"{given.seconds:g} s", f"{cores:.3f}"]])
        return
    if not nodes:
        raise SystemExit(f"there is no machine of the lab {given.name}")
    say(f"measuring {', '.join(nodes)} for {given.seconds:g} s …")
    groups = {name: members(path) for name, path in nodes.items()} | {"BMCs, supervisors": beside(given.name)}
    everyone = sorted({pid for pids in groups.values() for pid in pids})
    outside = [pid for pid in groups["BMCs, supervisors"] if not any(pid in groups[name] for name in nodes)]
    groups["BMCs, supervisors"] = outside
    before, used, busy, begun = consumption(everyone), usage(nodes), host_busy_s(), time.monotonic()
    time.sleep(given.seconds)
    took = time.monotonic() - begun
    after, used_after, busy_after = consumption(everyone), usage(nodes), host_busy_s()
    spent = {pid: (after[pid][0], after[pid][1] - before[pid][1]) for pid in after if pid in before}
    cores = {name: (used_after[name] - used[name]) / took for name in nodes}
    cores["BMCs, supervisors"] = sum(spent[pid][1] for pid in outside if pid in spent) / took
    sizes, sizes_by_name = memory(groups)
    rows = [["part", "memory, MiB (PSS)", "CPU, cores", "processes"]]
    rows += [[name, f"{sizes[name]:.0f}", f"{cores[name]:.3f}", str(len(groups[name]))] for name in groups]
    gib, total = sum(sizes.values()) / 1024, sum(cores.values())
    rows.append(["**in all**", f"{gib:.2f} GiB (≤ {most_gib:g})", f"{total:.3f} (≤ {most_cores:g})", ""])
    by_name: Counter[str] = Counter()
    for name, seconds in spent.values():
        by_name[name] += seconds / took  # type: ignore[assignment]
    notes = [
        "CPU by the process that used or reaped it: " + top(by_name, "{:.3f}"),
        "Memory: " + top(sizes_by_name, "{:.0f} MiB"),
        f"The whole host was busy for {(busy_after - busy) / took:.3f} cores meanwhile; what that has more "
        "than the sum above is the kernel and everything that is no lab. Compare with --control.",
    ]
    report(f"At rest, {took:.0f} s", rows, notes)
    if gib > most_gib or total > most_cores:
        raise SystemExit(1)


def usage(nodes: dict[str, Path]) -> dict[str, float]:
    """Node to CPU seconds used so far."""
    return {name: usage_s(path) for name, path in nodes.items()}


def top(counted: Counter[str], form: str) -> str:
    """The eight largest, in words."""
    return ", ".join(f"{name} {form.format(value)}" for name, value in counted.most_common(8))


if __name__ == "__main__":
    main()
