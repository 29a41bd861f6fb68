"""Storage was mounted on another node only after the lost one was confirmed off."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History, Record
from quorate.drill.model import Finding


def run(history: History) -> Iterable[Finding]:
    """One finding a service with storage whose holder had to be fenced, or one that there was none."""
    victim = str(history.run.get("target", ""))
    lost = history.run.get("fences") or history.run.get("unfenceable")
    storage = dict(history.run.get("storage") or {}) if lost else {}
    sights = [each for each in history.all("seen") if each["mounts"]]
    concerned = {name: place for name, place in storage.items() if _had(history, sights, victim, str(place))}
    if history.injected is None or not concerned:
        yield CHECK.passed("no storage had to change hands behind a fence")
        return
    if not _lines(history, "fenced", victim) and history.first("journals") is None:
        yield CHECK.doubt("no journal could be read")
        return
    for service, place in concerned.items():
        yield _judge(history, sights, service, str(place), victim)


def _judge(history: History, sights: list[Record], service: str, place: str, victim: str) -> Finding:
    fenced = min((float(line["line_wall"]) for line in _lines(history, "fenced", victim)), default=None)
    zero = _zero(history)
    starts = _lines(history, "storage starting", service)
    starting = min((float(line["line_wall"]) for line in starts if line["node"] != victim), default=None)
    alive = str(next((each["boots"].get(victim, "") for each in sights if each["boots"]), ""))
    for each in sights:
        having = [node for node, places in each["mounts"].items() if place in (places or ())]
        elsewhere = [node for node in having if node != victim]
        if elsewhere and alive and each["boots"].get(victim) == alive and float(each["wall"]) > zero:
            text = f"{service}: {place} was mounted on {elsewhere[0]} while {victim} was still on"
            return CHECK.failed(text, "seen from outside")
    if starting is None:
        return CHECK.passed(f"{service}: its storage was started on no other node")
    if fenced is None:
        return CHECK.failed(f"{service}: started elsewhere, and {victim} was never confirmed off")
    text = f"{service}: {victim} was confirmed off after {fenced - zero:.2f} s, "
    text += f"its storage started elsewhere after {starting - zero:.2f} s"
    return CHECK.failed(text) if starting < fenced else CHECK.passed(text)


def _zero(history: History) -> float:
    injected = history.first("injected")
    assert injected is not None
    return float(injected.get("began_wall", injected["wall"]))


def _had(history: History, sights: list[Record], victim: str, place: str) -> bool:
    """Whether the victim had it mounted when the fault began."""
    before = [each for each in sights if history.injected is not None and each["t"] <= history.injected]
    return bool(before) and place in (before[-1]["mounts"].get(victim) or ())


def _lines(history: History, what: str, subject: str) -> list[Record]:
    begun = _zero(history) - 1.0
    return [
        line
        for line in history.all("journal")
        if line["what"] == what and line["subject"] == subject and float(line["line_wall"]) >= begun
    ]


CHECK = Check("fenced-first", "storage changes hands only after the lost node is confirmed off", run)
