"""A node that fencing called off really was off: seen from outside, where somebody can look from there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quorate.drill.check import Check
from quorate.drill.history import History, Record
from quorate.drill.model import Finding

GRACE_S = 1.0
"""After the confirmation: two looks from outside, and what the nodes' clocks may be off."""


def run(history: History) -> Iterable[Finding]:
    """One finding a node that was fenced, or one that none was."""
    fenced = [line for line in history.all("journal") if line["what"] == "fenced"]
    nodes = sorted({str(line["subject"]) for line in fenced})
    if not nodes:
        yield CHECK.passed("no BMC said that a node is off")
    elif not history.run.get("outside"):
        yield CHECK.passed(f"taken on trust, as nobody looks from outside: the BMC of {', '.join(nodes)}")
    for node in nodes if history.run.get("outside") else ():
        first = min(float(line["line_wall"]) for line in fenced if line["subject"] == node)
        yield _judge(history.all("seen"), node, first)


def _judge(sights: Sequence[Record], node: str, confirmed: float) -> Finding:
    before = [each for each in sights if node in each["boots"]]
    after = [each for each in before if float(each["wall"]) <= confirmed + GRACE_S]
    if not after:
        return CHECK.doubt(f"nobody looked from outside before {node} was fenced")
    alive = str(before[0]["boots"][node])
    if alive and after[-1]["boots"][node] == alive:
        return CHECK.failed(
            f"the BMC of {node} said that it is off, but it was on all the time",
            f"seen from outside {GRACE_S:g} s after fencing was confirmed",
        )
    return CHECK.passed(f"{node} really was off when its BMC said so, seen from outside")


CHECK = Check("fence-true", "a node that was called off was off, seen from outside", run)
