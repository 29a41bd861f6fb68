#!/usr/bin/env python3
"""Ten minutes of full load: does the membership stand still, is nobody fenced, how long are the pauses?

    .venv/bin/python benchmarks/soak.py [--name lab] [--seconds 600] [--burners 4] [--control]

Load: busy loops on the host at nice 0, and every proof of ``verify`` again and again: tokens, log-ins, rows,
messages. Meanwhile a SCHED_RR process (Corosync runs so) and a SCHED_OTHER one sleep 5 ms at a time and note
by how much they are late. ``--control`` is the same without any load. Journals are counted afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import ROOT, quorate, report, say

sys.path.insert(0, str(ROOT / "src"))

NAP_S = 0.005
PACE_S = 0.2
"""Between two tries of one proof."""
PATTERNS = {
    "membership formed (corosync)": r"A new membership \(",
    "token lost (corosync)": r"Token has not been received",
    "link down (knet)": r"link: \d+ is down",
    "not scheduled in time (corosync)": r"was not scheduled for",
    "fencing carried out (pacemaker)": r"Operation '(off|reboot)'.* targeting .*: OK",
}
MUST_BE_ZERO = ("membership formed (corosync)", "token lost (corosync)", "fencing carried out (pacemaker)")


def burn(stop: Event) -> None:
    """A busy loop."""
    while not stop.is_set():
        sum(range(20000))


def lateness(policy: int, stop: Event, result: Connection) -> None:
    """Sleep and note the worst lateness, in milliseconds, until told to stop."""
    os.sched_setscheduler(0, policy, os.sched_param(50 if policy == os.SCHED_RR else 0))
    worst = 0.0
    while not stop.is_set():
        due = time.monotonic() + NAP_S
        time.sleep(NAP_S)
        worst = max(worst, time.monotonic() - due)
    result.send(worst * 1000)


async def clients(name: str, seconds: float) -> tuple[Counter[str], dict[str, float]]:
    """Every proof of verify again, services beside each other: verdicts, and each one's slowest."""
    from quorate.cli.common import resolve
    from quorate.operations.verify import check, outside

    target = resolve(None, name)
    its = target.platform()
    client, deadline = outside(its.ctx, target.home), time.monotonic() + seconds
    counted: Counter[str] = Counter()
    slowest: dict[str, float] = {}

    async def again(service: str) -> None:
        steps = [step for step in its.verify_steps() if step.service == service]
        while time.monotonic() < deadline:
            for step in steps:
                done = await check(step, client)
                counted[f"{service} {done.verdict}"] += 1
                slowest[service] = max(slowest.get(service, 0.0), done.seconds)
                await asyncio.sleep(PACE_S)

    await asyncio.gather(*(again(service) for service in {step.service for step in its.verify_steps()}))
    return counted, slowest


def stalled_s() -> float:
    """Seconds in which some task waited for a CPU (Documentation/accounting/psi.rst)."""
    with suppress(OSError):
        return int(Path("/proc/pressure/cpu").read_text().partition("total=")[2].split()[0]) / 1e6
    return 0.0


def journals(name: str, nodes: list[str], since: float) -> dict[str, Counter[str]]:
    """What every node's journal says since then, counted."""
    found = {}
    for node in nodes:
        run = quorate(
            *("lab", "ssh", "--name", name, node, "--"),
            *(
                "journalctl",
                "-u",
                "corosync",
                "-u",
                "pacemaker",
                f"--since=@{since:.0f}",
                "-o",
                "cat",
                "--no-pager",
            ),
        )
        found[node] = Counter(
            {what: len(re.findall(pattern, run.stdout)) for what, pattern in PATTERNS.items()}
        )
    return found


def main() -> None:
    """Load, measure, print, and end with 1 where the membership moved or somebody was fenced."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--name", default="lab")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--burners", type=int, default=4)
    arguments.add_argument("--control", action="store_true", help="no load")
    given = arguments.parse_args()
    status = quorate("status", "--name", given.name, "--json", expect=(0, 1)).json()
    nodes = [node["name"] for node in status["nodes"]]
    if not status["healthy"]:
        raise SystemExit(f"not healthy before it began: {status['problems']}")
    stop = multiprocessing.Event()
    policies = {"SCHED_RR": os.SCHED_RR, "SCHED_OTHER": os.SCHED_OTHER}
    pipes = {label: multiprocessing.Pipe(duplex=False) for label in policies}
    processes = [
        multiprocessing.Process(target=lateness, args=(policy, stop, pipes[label][1]), daemon=True)
        for label, policy in policies.items()
    ]
    if not given.control:
        processes += [
            multiprocessing.Process(target=burn, args=(stop,), daemon=True) for _ in range(given.burners)
        ]
    say(f"{'control' if given.control else 'load'} for {given.seconds:g} s …")
    since, waited, begun = time.time(), stalled_s(), time.monotonic()
    for process in processes:
        process.start()
    counted: Counter[str] = Counter()
    slowest: dict[str, float] = {}
    try:
        if given.control:
            time.sleep(given.seconds)
        else:
            counted, slowest = asyncio.run(clients(given.name, given.seconds))
        took, load = time.monotonic() - begun, os.getloadavg()[0]
        pressure = (stalled_s() - waited) / took
    finally:
        stop.set()
    worst = {label: pipes[label][0].recv() if pipes[label][0].poll(5) else float("nan") for label in policies}
    seen = journals(given.name, nodes, since)
    rows = [["measured", *nodes]]
    rows += [[what, *(str(seen[node][what]) for node in nodes)] for what in PATTERNS]
    notes = [
        f"Load: {0 if given.control else given.burners} busy loops; load average {load:.1f}, PSI cpu some "
        f"{pressure:.0%}. Worst lateness of a 5 ms sleep: "
        + ", ".join(f"{label} {late:.1f} ms" for label, late in worst.items()),
        "Clients: " + (", ".join(f"{what} {n}" for what, n in sorted(counted.items())) or "none"),
        "Slowest: "
        + (", ".join(f"{what} {s:.2f} s" for what, s in sorted(slowest.items())) or "nothing asked"),
    ]
    report(f"{'Control' if given.control else 'Loaded'} soak, {took:.0f} s", rows, notes)
    if any(seen[node][what] for node in nodes for what in MUST_BE_ZERO):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
