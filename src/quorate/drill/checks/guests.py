"""Servers live on, unless their host was lost; and what Nova says of them is true."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History, Record
from quorate.drill.model import Finding

OF = "nova-compute"
"""Whose endpoints are servers."""


def run(history: History) -> Iterable[Finding]:
    """One finding a server, or one that there is none."""
    said = {each["endpoint"]: each["guest"] for each in history.all("afterwards") if "guest" in each}
    asked = [name for name, each in history.endpoints.items() if each.get("service") == OF]
    for name in asked:
        if name not in said:
            yield CHECK.doubt(f"{name}: nobody looked what became of it")
    for name, guest in said.items():
        yield _judge(name, guest)
    if not asked and not said:
        yield CHECK.passed("the drill had no servers")


def _judge(name: str, guest: Record) -> Finding:
    state, runs = str(guest["status"]), bool(guest["boot"])
    place = f"{name}, on {guest['host']}"
    if guest["task"] or (state == "ACTIVE") != runs:
        answers = "it answers" if runs else "it does not answer"
        return CHECK.failed(f"{place}: Nova says {state} {guest['task']}".rstrip() + f", and {answers}")
    if not guest["lost"]:
        if not runs:
            return CHECK.failed(f"{place}: it is {state}, and its host was not hit")
        if guest["boot"] != guest["first"]:
            return CHECK.failed(f"{place}: it was started anew, and its host was not hit")
        return CHECK.passed(f"{place}: it ran all the time")
    if guest["boot"] == guest["first"]:
        return CHECK.passed(f"{place}: it ran all the time")
    how = "was started anew when its host was back" if runs else f"is {state}, as Nova says"
    return CHECK.passed(f"{place}: lost with its host, it {how}")


CHECK = Check("guests", "servers live on unless their host is lost; what Nova says of them is true", run)
