#!/usr/bin/env python3
"""What the loss of a node costs the clients of a whole cloud, and servers that run in it.

    benchmarks/cloud.py [--name lab] [--runs 1] [--seconds 20] [--rate 2] [--only isolate:controller]
                        [--group compute | --together]

Cluster, guests and clients share this machine, and all clients at once are more than two cores carry even
without a fault. So each drill runs once for each group of clients, and hits whoever has the virtual IP of one
service of that group; with --together it runs once, with all of them.

A row an endpoint: the promise, the worst gap without a fault (the noise of this machine, from the control
runs of the same drills), and for each fault the longest time without a good answer (upper bound, seconds). A
gateway is lost in every one of them: ``guest-gateway`` goes through the node that is hit, ``guest`` does not.
Ends with 1 if a drill failed, 2 if one is unknown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import quorate, report, say

DRILLS = {
    "power-off:controller": ("power-off", "vip-holder"),
    "freeze:controller": ("freeze", "vip-holder"),
    "isolate:controller": ("isolate", "vip-holder"),
    "isolate-management:controller": ("isolate-management", "vip-holder"),
    "power-off:compute": ("power-off", "n1"),
}
"""Fault and target."""
GROUPS = {
    "identity": (
        "keystone",
        (
            *("keystone-token", "keystone-read", "keystone-password", "placement-read", "horizon-page"),
            *("database-write", "message-publish"),
        ),
    ),
    "compute": (
        "nova",
        ("nova-read", "neutron-read", "network-write", "guest"),
    ),
    "storage": ("glance", ("glance-read", "image-write", "cinder-read", "object-write")),
}
"""The service whose virtual IP is lost, and the clients."""
EXITS = {"pass": 0, "fail": 1, "unknown": 2}


def main() -> None:
    """Run, print, and end with the worst verdict's exit code."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--name", default="lab")
    arguments.add_argument("--runs", type=int, default=1, help="of each drill; the worst is shown")
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--only", action="append", choices=sorted(DRILLS), help="may be given again")
    arguments.add_argument("--rate", type=float, default=2, help="requests a second of each client")
    arguments.add_argument("--group", action="append", choices=sorted(GROUPS), help="may be given again")
    arguments.add_argument("--together", action="store_true", help="all clients at once")
    given = arguments.parse_args()
    wanted = given.only or list(DRILLS)
    groups = {name: GROUPS[name] for name in given.group or GROUPS}
    if given.together:
        groups = {"all": ("keystone", ())}
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
    for name in wanted:
        fault, target = DRILLS[name]
        for group, (service, clients) in groups.items():
            command = ["drill", "run", fault, "--target", target, "--yes", "--json", "--name", given.name]
            command += ["--seconds", str(given.seconds), "--rate", str(given.rate)]
            command += ["--service", service] if target == "vip-holder" else []
            command += [word for client in clients for word in ("--watch", client)]
            for number in range(1, given.runs + 1):
                say(f"{name}, {group}, {number} of {given.runs} …")
                results[name].append(quorate(*command, expect=(0, 1, 2)).json())
    runs = [result for each in results.values() for result in each]
    endpoints = list(dict.fromkeys(one["endpoint"] for run in runs for one in run["endpoints"]))
    rows = [["endpoint", "promise", "without a fault", *wanted]]
    for endpoint in endpoints:
        seen = [_of(run, endpoint) for run in runs]
        promises = {one["budget_s"] for one in seen if one and one["budget_s"] is not None}
        floors = [one["noise_floor_s"] for one in seen if one and one["noise_floor_s"] is not None]
        cells = [_worst(results[name], endpoint) for name in wanted]
        rows.append(
            [endpoint, _seconds(max(promises, default=None)), _seconds(max(floors, default=None)), *cells]
        )
    rows.append(["whole again after", "", "", *(_whole(results[name]) for name in wanted)])
    rows.append(
        ["writes lost", "0", "", *(str(sum(r["writes"]["lost"] for r in results[name])) for name in wanted)]
    )
    rows.append(["verdict", "", "", *(_verdict(results[name]) for name in wanted)])
    notes = [
        f"{name}: {each['check']} {each['verdict']}: {each['text']}"
        for name in wanted
        for run in results[name]
        for each in run["findings"]
        if each["verdict"] != "pass"
    ]
    report("What the loss of a node costs (seconds without a good answer, upper bound)", rows, notes)
    verdicts = {run["verdict"] for run in runs}
    sys.exit(next((EXITS[verdict] for verdict in ("fail", "unknown") if verdict in verdicts), 0))


def _of(run: dict[str, Any], endpoint: str) -> dict[str, Any] | None:
    return next((one for one in run["endpoints"] if one["endpoint"] == endpoint), None)


def _worst(runs: list[dict[str, Any]], endpoint: str) -> str:
    """The longest time without a good answer, and how many requests failed; "-" where it was not asked."""
    gaps, failed = [], 0
    for run in runs:
        one = _of(run, endpoint)
        if one is None:
            continue
        mine = [each["upper_s"] for each in run["outages"] if each["endpoint"] == endpoint]
        gaps += [float("inf") if gap is None else gap for gap in (*mine, one["worst_gap_s"])]
        failed += one["failed"]
    if not gaps:
        return "-"
    worst = "did not return" if max(gaps) == float("inf") else f"{max(gaps):.2f}"
    return f"{worst} ({failed} failed)"


def _whole(runs: list[dict[str, Any]]) -> str:
    times = [entry["t_s"] for run in runs for entry in run["timeline"] if entry["what"] == "whole"]
    return _seconds(max(times)) if len(times) == len(runs) else "not seen"


def _verdict(runs: list[dict[str, Any]]) -> str:
    return ", ".join(run["verdict"] for run in runs)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
