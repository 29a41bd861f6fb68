"""Storage of one node at a time was never mounted on two: seen from outside, not asked of Pacemaker."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding

OFTEN_HZ = 5.0
"""How often one has to look from outside, on average, to have seen anything."""


def run(history: History) -> Iterable[Finding]:
    """One finding a service with storage, or one that there is none."""
    storage = dict(history.run.get("storage") or {})
    if not storage:
        yield CHECK.passed("no service has storage that only one node may have mounted")
        return
    watched = history.first("watched")
    if watched is None:
        yield CHECK.doubt("nobody watched what is mounted where")
        return
    for service, place in storage.items():
        most, where = most_mounts(history, str(place))
        if most > 1:
            yield CHECK.failed(f"{service}: {place} was mounted on {most} nodes at once: {', '.join(where)}")
        elif not most:
            yield CHECK.doubt(f"{service}: {place} was never seen mounted anywhere")
        else:
            yield _seen(history, f"{service}: {place} was never mounted on more than one node")


def _seen(history: History, text: str) -> Finding:
    watched = history.first("watched")
    assert watched is not None
    rate = watched["looks"] / max(float(watched["t"]), 1.0)
    how = f"{watched['looks']} looks, at worst {watched['worst_s']:g} s apart"
    if watched["source"] != "outside":
        return CHECK.passed(f"{text}, as far as the nodes that answered say ({how})")
    if rate < OFTEN_HZ:
        return CHECK.doubt(f"{text}, but it was looked only {rate:.1f} times a second", how)
    return CHECK.passed(f"{text}, seen from outside ({how})")


def most_mounts(history: History, place: str) -> tuple[int, tuple[str, ...]]:
    """On how many nodes ``place`` was mounted at most at one moment, and on which."""
    sights = [
        tuple(sorted(node for node, places in each["mounts"].items() if place in (places or ())))
        for each in history.all("seen")
    ]
    worst = max(sights, key=len, default=())
    return len(worst), worst


CHECK = Check("one-mount", "storage of one node at a time is never mounted on two", run)
