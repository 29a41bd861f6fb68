#!/usr/bin/env python3
"""A tenant's day while a controller is cut off, beside one without a fault.

    benchmarks/day.py [--name lab] [--runs 1] [--seconds 90] [--only freeze]

Each fault is a drill of the controller that holds Keystone's virtual IP, with one client that writes once a
second; the day (`quorate verify --day`) begins `SERVED_S` after the fault. A machine that lost its power, or
was fenced, comes back meanwhile; one that is only isolated stays so for ``--seconds``.
Ends with 1 if a day failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import QUORATE, ROOT, Run, quorate, report, say

FAULTS = ("power-off", "freeze", "isolate", "isolate-management")
INJECTED = "· fault"
"""What a drill says once there is a fault."""
SERVED_S = 5.0
"""After so many seconds new requests are promised to be served (docs/drills.md, "Budgets")."""
ENDS_S = 1200.0
"""How long a drill may go on after the day: its recovery and its reading back are bounded by itself."""


def main() -> None:
    """A day without a fault, then one with each; print; end with 1 if one failed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--name", default="lab")
    arguments.add_argument("--runs", type=int, default=1, help="of each fault")
    arguments.add_argument("--seconds", type=float, default=90, help="for which the fault is kept up")
    arguments.add_argument("--only", action="append", choices=FAULTS, help="may be given again")
    given = arguments.parse_args()
    rows = [["a tenant's day", "verdict", "seconds", "longest step (s)", "writes lost"]]
    notes, bad = [], False
    for fault in ("", *(given.only or FAULTS)):
        for number in range(1, (given.runs if fault else 1) + 1):
            say(f"{fault or 'no fault'}, {number} …")
            day, seen = _with(fault, given.name, given.seconds) if fault else (_day(given.name), None)
            slowest = max(day["day"], key=lambda step: step["seconds"])
            longest = f"{slowest['seconds']:.1f}: {slowest['service']}, {slowest['title']}"
            what = fault or "without a fault"
            lost = "" if seen is None else str(seen["writes"]["lost"])
            rows.append([what, day["verdict"], f"{day['seconds']:.1f}", longest, lost])
            notes += [
                f"{what}: {step['service']}, {step['title']}: {step['verdict']}: {step['evidence']}"
                for step in day["day"]
                if step["verdict"] == "fail"
            ]
            bad = bad or day["verdict"] != "pass"
    report("A tenant's day while a controller is cut off", rows, notes)
    sys.exit(int(bad))


def _day(name: str) -> dict[str, Any]:
    day: dict[str, Any] = quorate("verify", "--day", "--json", "--name", name, expect=(0, 1, 2)).json()
    return day


def _with(fault: str, name: str, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The day that begins with ``fault``, and what the drill found."""
    words = ["--target", "vip-holder", "--service", "keystone", "--seconds", str(seconds), "--rate", "1"]
    words += ["--watch", "database-write", "--yes", "--json", "--name", name]
    with subprocess.Popen(
        [str(QUORATE), "drill", "run", fault, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as drill:
        assert drill.stderr
        said = []
        for line in drill.stderr:
            said.append(line)
            if INJECTED in line:
                break
        else:
            raise SystemExit(f"the drill ended before there was a fault:\n{''.join(said[-15:])}")
        time.sleep(SERVED_S)
        day = _day(name)
        found, last = drill.communicate(timeout=ENDS_S)
    return day, Run(("quorate", "drill", "run", fault), 0.0, drill.returncode, found, last).json()


if __name__ == "__main__":
    main()
