"""A node that lost power is fenced, once; no healthy node ever is."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.contract import ALL
from quorate.drill.history import History, Record
from quorate.drill.model import Finding

SAME_S = 5.0
"""Every surviving node logs the same fencing; lines about one target this close together are one fencing."""


def run(history: History) -> Iterable[Finding]:
    """One finding a fenced node, or one that there was none."""
    journals = history.first("journals")
    victim = str(history.run.get("target", ""))
    # The victim's own journal has a gap just there.
    if journals is None or not [node for node in journals["read"] if node != victim]:
        yield CHECK.doubt("no other node's journal could be read")
        return
    fenced = count([line for line in history.all("journal") if line["what"] == "fenced"])
    for node, times in fenced.items():
        if victim not in (node, ALL):
            yield CHECK.failed(f"{node} was fenced, and nothing was wrong with it")
        elif times > 1:
            yield CHECK.failed(f"{node} was fenced {times} times for one fault")
    if history.run.get("fences") and victim not in fenced:
        yield CHECK.failed(f"{victim} lost power and was never fenced")
    elif (victim == ALL or set(fenced) <= {victim}) and all(times == 1 for times in fenced.values()):
        yield CHECK.passed(f"fenced once: {', '.join(fenced)}" if fenced else "no node was fenced")


def count(lines: Iterable[Record]) -> dict[str, int]:
    """Fencings by the node they hit."""
    last: dict[str, float] = {}
    times: dict[str, int] = {}
    for line in sorted(lines, key=lambda line: float(line["line_wall"])):
        node, wall = str(line["subject"]), float(line["line_wall"])
        if node not in last or wall - last[node] > SAME_S:
            times[node] = times.get(node, 0) + 1
        last[node] = wall
    return times


CHECK = Check("fencing", "the victim is fenced once, healthy nodes never", run)
