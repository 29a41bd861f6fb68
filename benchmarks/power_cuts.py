#!/usr/bin/env python3
"""Power cuts in a row, whichever node has the service, while records are written to its shared storage.

    benchmarks/power_cuts.py [--name web] [--service web] [--cuts 20] [--seconds 10]

A row a cut: on which node, the outage of the page (lower to upper bound, seconds), records acknowledged and
lost, what e2fsck said, on how many nodes the storage was mounted at most at one moment (seen from outside),
and the verdict. Each cut is a whole `quorate drill run power-off` on the node that has the service. The nodes
take turns: where the service came back to the node that was cut last, it is moved first. Ends with 1 where
anything was lost, damaged or mounted twice, or where a drill failed; with 2 where one is unknown.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import outage, quorate, report, say

HEAD = ["cut", "node", "page away (s)", "acknowledged", "lost", "e2fsck", "mounts", "whole (s)", "verdict"]
EXITS = {"pass": 0, "fail": 1, "unknown": 2}


def main() -> None:
    """Run, print, and end with the worst that happened."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--name", default="web")
    arguments.add_argument("--service", default="web")
    arguments.add_argument("--cuts", type=int, default=20)
    arguments.add_argument("--seconds", type=float, default=10)
    given = arguments.parse_args()
    rows, notes = [HEAD], list[str]()
    results: list[dict[str, Any]] = []
    for number in range(1, given.cuts + 1):
        say(f"cut {number} of {given.cuts} …")
        if results and _holder(given.name, given.service) == results[-1]["target"]:
            quorate("move", given.service, "--name", given.name)
        command = ("drill", "run", "power-off", "--target", "vip-holder", "--service", given.service)
        options = ("--seconds", str(given.seconds), "--yes", "--json", "--name", given.name)
        result = quorate(*command, *options, expect=(0, 1, 2)).json()
        results.append(result)
        rows.append(_row(number, result, given.service))
        notes += [
            f"cut {number}: {each['check']} {each['verdict']}: {each['text']}"
            for each in result["findings"]
            if each["verdict"] != "pass"
        ]
    report(f"{given.cuts} power cuts of the node that has {given.service}, while writing", rows, notes)
    print(_summary(results, given.service))
    sys.exit(_exit(results))


def _holder(name: str, service: str) -> str:
    """The node that has the service's address."""
    vips = quorate("status", "--json", "--name", name, expect=(0, 1)).json()["vips"]
    return next(str(vip["holder"]) for vip in vips if vip["name"] == service)


def _row(number: int, result: dict[str, Any], service: str) -> list[str]:
    whole = next((entry["t_s"] for entry in result["timeline"] if entry["what"] == "whole"), None)
    return [
        str(number),
        result["target"],
        outage(result["outages"], service),
        str(result["writes"]["acknowledged"]),
        str(result["writes"]["lost"]),
        {"pass": "clean", "fail": "DAMAGED", "unknown": "?"}[_verdict(result, "filesystem")],
        str(_mounts(result)),
        "?" if whole is None else f"{whole:.1f}",
        result["verdict"],
    ]


def _verdict(result: dict[str, Any], check: str) -> str:
    said = {each["verdict"] for each in result["findings"] if each["check"] == check}
    return next((verdict for verdict in ("fail", "unknown", "pass") if verdict in said), "unknown")


def _mounts(result: dict[str, Any]) -> int:
    """The most nodes that had one disk mounted in one look from outside, out of the drill's history."""
    most = 0
    for line in (Path(result["history"]) / "history.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["type"] == "seen":
            having = [disk for disks in record["mounts"].values() for disk in disks or ()]
            most = max([most, *(having.count(disk) for disk in having)])
    return most


def _summary(results: list[dict[str, Any]], service: str) -> str:
    nodes: dict[str, int] = {}
    for result in results:
        nodes[result["target"]] = nodes.get(result["target"], 0) + 1
    uppers = [
        each["upper_s"]
        for result in results
        for each in result["outages"]
        if each["endpoint"] == service and each["upper_s"] is not None
    ]
    acknowledged = sum(result["writes"]["acknowledged"] for result in results)
    lost = sum(result["writes"]["lost"] for result in results)
    clean = sum(_verdict(result, "filesystem") == "pass" for result in results)
    longest = f"{max(uppers):.2f} s" if uppers else "not seen"
    most = max(map(_mounts, results), default=0)
    each = ", ".join(f"{node} {count}" for node, count in sorted(nodes.items()))
    return (
        f"{len(results)} cuts ({each}): {acknowledged} records acknowledged, {lost} lost; file system clean "
        f"{clean} times; mounted on at most {most} node at once; longest outage of the page {longest} (upper "
        "bound)"
    )


def _exit(results: list[dict[str, Any]]) -> int:
    if any(result["writes"]["lost"] or _mounts(result) > 1 for result in results):
        return 1
    verdicts = {result["verdict"] for result in results}
    return next((EXITS[verdict] for verdict in ("fail", "unknown") if verdict in verdicts), 0)


if __name__ == "__main__":
    main()
