#!/usr/bin/env python3
"""What a fault costs a client: every drill of the promise, several times, controls included.

    benchmarks/drills.py [--name lab] [--runs 3] [--seconds 20] [--only power-off:vip-holder]

A row a run: verdict, the longest outage of each endpoint (lower to upper bound, seconds), the noise floor of
its own control run, the writes, and when the cluster was whole. Ends with 1 if a drill failed, 2 if unknown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import outage, quorate, report, say

DRILLS = {
    "power-off:vip-holder": ("power-off", "--target", "vip-holder", "--service", "keystone"),
    "power-off:db-writer": ("power-off", "--target", "db-writer"),
    "power-off:queue-leader": ("power-off", "--target", "queue-leader"),
    "kill:keystone": ("kill", "--service", "keystone", "--target", "vip-holder"),
    "kill:horizon": ("kill", "--service", "horizon", "--target", "vip-holder"),
    "kill:galera": ("kill", "--service", "galera", "--target", "db-writer"),
    "kill:rabbitmq": ("kill", "--service", "rabbitmq", "--target", "queue-leader"),
    "hang:keystone": ("hang", "--service", "keystone", "--target", "vip-holder"),
    "hang:horizon": ("hang", "--service", "horizon", "--target", "vip-holder"),
    "hang:galera": ("hang", "--service", "galera", "--target", "db-writer"),
    "blackout": ("blackout",),
}
ENDPOINTS = ("keystone-token", "keystone-read", "horizon-page", "database-write", "message-publish")
EXITS = {"pass": 0, "fail": 1, "unknown": 2}


def main() -> None:
    """Run, print, and end with the worst verdict's exit code."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--name", default="lab")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--only", action="append", choices=sorted(DRILLS), help="may be given again")
    given = arguments.parse_args()
    rows = [["drill", "on", "verdict", *ENDPOINTS, "noise", "acknowledged", "lost", "whole after"]]
    notes: list[str] = []
    verdicts: set[str] = set()
    for name in given.only or DRILLS:
        for number in range(1, given.runs + 1):
            say(f"{name}, {number} of {given.runs} …")
            command = ("drill", "run", *DRILLS[name], "--seconds", str(given.seconds), "--yes", "--json")
            result = quorate(*command, "--name", given.name, expect=(0, 1, 2)).json()
            rows.append(_row(name, result))
            verdicts.add(result["verdict"])
            notes += [
                f"{name} {number}: {each['check']} {each['verdict']}: {each['text']}"
                for each in result["findings"]
                if each["verdict"] != "pass"
            ]
    report("What a fault costs a client (seconds: lower to upper bound of the longest outage)", rows, notes)
    sys.exit(next((EXITS[verdict] for verdict in ("fail", "unknown") if verdict in verdicts), 0))


def _row(name: str, result: dict[str, Any]) -> list[str]:
    whole = next((entry["t_s"] for entry in result["timeline"] if entry["what"] == "whole"), None)
    return [
        name,
        result["target"],
        result["verdict"],
        *(outage(result["outages"], endpoint) for endpoint in ENDPOINTS),
        _seconds(result["noise_floor_s"]),
        str(result["writes"]["acknowledged"]),
        str(result["writes"]["lost"]),
        _seconds(whole),
    ]


def _seconds(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
