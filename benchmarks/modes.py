#!/usr/bin/env python3
"""What each mode costs a client: the same site as active/passive and as active/active, the same faults.

    benchmarks/modes.py [--runs 1] [--seconds 15] [--keep]

Raises examples/web-active-passive.yaml and examples/web-active-active.yaml one after the other and runs the
drills kill (crash), hang, power-off and move on the node that has the service's address. A cell is the
longest outage of the page (lower to upper bound, seconds; 0: no request failed). active/active has nothing to
move. Ends with 1 if a drill failed, 2 if one is unknown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import ROOT, outage, quorate, report, say

SERVICE = "web"
MODES = {"active/passive": "web-active-passive", "active/active": "web-active-active"}
FAULTS = {"crash": "kill", "hang": "hang", "power loss": "power-off", "planned move": "move"}
EXITS = {"pass": 0, "fail": 1, "unknown": 2}


def main() -> None:
    """Run, print, and end with the worst verdict's exit code."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--runs", type=int, default=1, help="of each drill; the worst is shown")
    arguments.add_argument("--seconds", type=float, default=15)
    arguments.add_argument("--keep", action="store_true", help="leave the labs up")
    given = arguments.parse_args()
    found: dict[tuple[str, str], str] = {}
    notes: list[str] = []
    verdicts: set[str] = set()
    for mode, example in MODES.items():
        file = ROOT / "examples" / f"{example}.yaml"
        name = _cluster(file)
        say(f"{mode}: raising {name} …")
        quorate("lab", "up", str(file))
        for title, fault in FAULTS.items():
            if fault == "move" and mode == "active/active":
                found[mode, title] = "nothing to move"
                continue
            results = [_drill(fault, name, given.seconds) for _ in range(given.runs)]
            verdicts |= {result["verdict"] for result in results}
            worst = max(results, key=_upper)
            found[mode, title] = f"{outage(worst['outages'], SERVICE)} ({worst['verdict']})"
            notes += [
                f"{mode}, {fault}: {each['check']} {each['verdict']}: {each['text']}"
                for result in results
                for each in result["findings"]
                if each["verdict"] != "pass"
            ]
        if not given.keep:
            quorate("lab", "down", "--name", name)
    rows = [["fault", *MODES], *([title, *(found[mode, title] for mode in MODES)] for title in FAULTS)]
    report("What each mode costs a client (page away, seconds: lower to upper bound)", rows, notes)
    sys.exit(next((EXITS[verdict] for verdict in ("fail", "unknown") if verdict in verdicts), 0))


def _cluster(file: Path) -> str:
    line = next(line for line in file.read_text().splitlines() if line.startswith("cluster:"))
    return line.split()[1]


def _drill(fault: str, name: str, seconds: float) -> dict[str, Any]:
    say(f"{name}: {fault} …")
    command = ("drill", "run", fault, "--target", "vip-holder", "--service", SERVICE)
    result: dict[str, Any] = quorate(
        *command, "--seconds", str(seconds), "--yes", "--json", "--name", name, expect=(0, 1, 2)
    ).json()
    return result


def _upper(result: dict[str, Any]) -> float:
    mine = [each for each in result["outages"] if each["endpoint"] == SERVICE]
    return max((float("inf") if each["upper_s"] is None else each["upper_s"] for each in mine), default=0.0)


if __name__ == "__main__":
    main()
