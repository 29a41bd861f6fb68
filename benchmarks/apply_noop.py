#!/usr/bin/env python3
"""How long a second apply takes, which has nothing to do, and that it does nothing.

benchmarks/apply_noop.py [--name lab] [--runs 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import quorate, report, say

TARGET_S = 8.0


def main() -> None:
    """Measure, print, and end with 1 where it was too slow or changed something."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--name", default="lab")
    arguments.add_argument("--runs", type=int, default=5)
    given = arguments.parse_args()
    say("once, so that what is measured has nothing to do …")
    quorate("apply", "--name", given.name, "--json")
    rows = [["run", "seconds", "of that looking", "steps not ok"]]
    seconds: list[float] = []
    changed_in_all = 0
    for number in range(1, given.runs + 1):
        run = quorate("apply", "--name", given.name, "--json")
        document = run.json()
        counts = document["counts"]
        changed = sum(counts.values()) - counts["ok"]
        changed_in_all += changed
        seconds.append(run.seconds)
        rows.append([str(number), f"{run.seconds:.2f}", f"{document['seconds']:.2f}", str(changed)])
    rows.append(["median", f"{statistics.median(seconds):.2f}", f"target ≤ {TARGET_S:g}", "target 0"])
    control = quorate("schema").seconds
    report(
        f"A second apply of the lab {given.name}",
        rows,
        [f"Control: `quorate schema` (no node asked): {control:.2f} s."],
    )
    if max(seconds) > TARGET_S or changed_in_all:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
