"""How busy the machine is that the client runs on: part of what a measurement has to say about itself."""

from __future__ import annotations

from pathlib import Path

STAT = Path("/proc/stat")


def ticks(stat: Path = STAT) -> tuple[int, int]:
    """Ticks that all processors together were busy for, and all ticks, since boot (proc_stat(5))."""
    fields = [int(field) for field in stat.read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, sum(fields)


def busy(before: tuple[int, int], after: tuple[int, int]) -> float:
    """The busy share, 0 to 1, between two readings of `ticks`."""
    return (after[0] - before[0]) / max(1, after[1] - before[1])
