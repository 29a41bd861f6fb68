"""What every benchmark needs: run ./quorate as a user would, time it, and say on which machine it was."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
QUORATE = ROOT / "quorate"


@dataclass(frozen=True)
class Run:
    """One run of ./quorate: what it printed, its exit code, and how long it took on the wall, in seconds."""

    argv: tuple[str, ...]
    seconds: float
    exit: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Its standard output as JSON. Raises SystemExit, with the end of what it said, where it is not."""
        try:
            return json.loads(self.stdout)
        except ValueError:
            raise SystemExit(f"not JSON: {' '.join(self.argv)} (exit {self.exit})\n{self.tail()}") from None

    def tail(self) -> str:
        """The last lines of what it said."""
        return "\n".join((self.stdout + self.stderr).strip().splitlines()[-15:])


def quorate(
    *argv: str, timeout_s: float = 1800, state: Path | None = None, expect: Sequence[int] = (0,)
) -> Run:
    """Run ``./quorate argv``.

    Args:
        timeout_s: bound on the whole run.
        state: a state root of its own, so that nothing is cached.
        expect: exit codes that are fine; any other ends the benchmark with what was said.
    """
    environment: Mapping[str, str] = {**os.environ, **({"QUORATE_STATE": str(state)} if state else {})}
    started = time.monotonic()
    done = subprocess.run(
        [str(QUORATE), *argv], capture_output=True, text=True, timeout=timeout_s, env=environment, cwd=ROOT
    )
    run = Run(("quorate", *argv), time.monotonic() - started, done.returncode, done.stdout, done.stderr)
    if run.exit not in expect:
        raise SystemExit(
            f"{' '.join(run.argv)} ended with {run.exit} after {run.seconds:.1f} s\n{run.tail()}"
        )
    return run


def yardstick() -> float:
    """CPU seconds of a fixed piece of Python, the best of three: figures of two machines compare by it."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        sum(number * number for number in range(2_000_000))
        taken.append(time.process_time() - started)
    return min(taken)


def machine() -> str:
    """The machine, how fast it is, the time and the version, in two lines for the docs."""
    memory = next(
        int(line.split()[1]) / 2**20
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    name = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return (
        f"machine: {os.cpu_count()} cores ({name}), {memory:.1f} GiB, Linux {platform.release()}, "
        f"load {os.getloadavg()[0]:.2f}, yardstick {yardstick():.2f} s\n"
        f"quorate {commit or 'without git'}, Python {platform.python_version()}, {when}"
    )


def report(title: str, rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print a Markdown table that can be pasted into the docs; the first row is its head."""
    print(f"### {title}\n\n{machine()}\n")
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        print(
            "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        )
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for note in notes:
        print(f"\n{note}")
    print(flush=True)


def outage(outages: Sequence[Mapping[str, Any]], endpoint: str) -> str:
    """The longest outage of ``endpoint`` in a drill: lower to upper bound in seconds; "0" without one."""
    mine = [each for each in outages if each["endpoint"] == endpoint]
    if not mine:
        return "0"
    worst = max(mine, key=lambda each: each["upper_s"] or float("inf"))
    upper = "?" if worst["upper_s"] is None else f"{worst['upper_s']:.2f}"
    return f"{worst['lower_s']:.2f} to {upper}"


def say(text: str) -> None:
    """Progress, on standard error, so that standard output stays what is pasted."""
    print(text, file=sys.stderr, flush=True)
