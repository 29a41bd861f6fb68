#!/usr/bin/env python3
"""How long from nothing to a verified plane: nothing cached, image cached, restored from a save.

    benchmarks/up.py [--only cold|warm|restore] [--identity]

Of the whole platform, as `./quorate lab up` makes it, or with --identity of examples/identity.yaml.

Its lab and its state root are its own, and gone afterwards. A lab that runs already is left alone, but then
its load is part of the measurement: take it down first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import ROOT, Run, quorate, report, say

SAVE = "benchmark"
TARGETS_S = {"cold": 600.0, "warm": 300.0, "restore": 90.0}
IDENTITY_S = {"cold": 360.0, "warm": 150.0, "restore": 45.0}
IMAGES = Path("/var/lib/quorate/images")
"""Where images are on this machine already: with --only warm or restore none is built."""
TITLES = {"cold": "nothing cached", "warm": "image cached", "restore": "lab restore"}


@dataclass(frozen=True)
class Lab:
    """What is raised: the arguments of ``lab up``, its name, and the most seconds that each case may take."""

    up: tuple[str, ...]
    name: str
    targets_s: dict[str, float]


PLATFORM = Lab(("lab", "up", "--name", "bench"), "bench", TARGETS_S)
IDENTITY = Lab(("lab", "up", str(ROOT / "examples" / "identity.yaml")), "identity", IDENTITY_S)


def phases(run: Run) -> dict[str, float]:
    """The phases that ``lab up --json`` reports, in seconds, in order."""
    document = run.json()
    found = {**document["machines"], **document["phases"]}
    return {str(name): float(seconds) for name, seconds in found.items()}


def down(lab: Lab, state: Path) -> None:
    """Take the lab down, its image and saves stay. Harmless when there is none."""
    quorate("lab", "down", "--name", lab.name, state=state)


def measure(lab: Lab, state: Path, cases: list[str]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Seconds in all, and by phase, for each of ``cases``."""
    totals: dict[str, float] = {}
    parts: dict[str, dict[str, float]] = {}
    for case in cases:
        say(f"{TITLES[case]} …")
        if case == "restore":
            if not totals:
                quorate(*lab.up, "--json", state=state)
            quorate("lab", "save", SAVE, "--name", lab.name, state=state)
            down(lab, state)
            run = quorate("lab", "restore", SAVE, "--name", lab.name, "--verify", state=state)
            parts[case], totals[case] = {}, run.seconds
        else:
            down(lab, state)
            run = quorate(*lab.up, "--json", state=state)
            again = quorate("verify", "--name", lab.name, "--json", state=state)
            parts[case], totals[case] = phases(run), run.seconds
            say(f"verified, and verified again in {again.seconds:.1f} s")
    return totals, parts


def main() -> None:
    """Measure, print, and end with 1 where a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--only", choices=tuple(TARGETS_S))
    arguments.add_argument("--identity", action="store_true", help="the identity plane alone")
    given = arguments.parse_args()
    only, lab = given.only, IDENTITY if given.identity else PLATFORM
    with tempfile.TemporaryDirectory(prefix="quorate-bench-", dir="/var/tmp") as folder:
        state = Path(folder)
        if only in ("warm", "restore") and IMAGES.is_dir():
            (state / "images").symlink_to(IMAGES)
        try:
            totals, parts = measure(lab, state, [only] if only else list(TARGETS_S))
        finally:
            down(lab, state)
    rows = [["from", "phase", "seconds", "target"]]
    for case, total in totals.items():
        rows += [[TITLES[case], phase, f"{seconds:.1f}", ""] for phase, seconds in parts[case].items()]
        rows.append([TITLES[case], "**in all, verified**", f"{total:.1f}", f"≤ {lab.targets_s[case]:g}"])
    title = "the identity plane" if given.identity else "the whole platform"
    report(f"From nothing to verified: {title}", rows)
    if any(total > lab.targets_s[case] for case, total in totals.items()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
