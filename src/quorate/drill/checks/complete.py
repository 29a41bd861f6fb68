"""The history is whole: nothing cut off, no request missing, nothing that the runner could not do."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding, Phase


def run(history: History) -> Iterable[Finding]:
    """One finding a gap, or one that there is none."""
    sound = True
    for text in _gaps(history):
        sound = False
        yield CHECK.doubt(text)
    if sound:
        yield CHECK.passed(f"{len(history.requests)} requests, all recorded")


def _gaps(history: History) -> Iterable[str]:
    if history.damaged:
        yield f"{len(history.damaged)} lines of the history cannot be read"
    if history.first("end") is None:
        yield "the run did not come to its end"
    for problem in history.all("problem"):
        yield str(problem["text"])
    for endpoint, each in history.endpoints.items():
        numbers = sorted(request.number for request in history.requests if request.endpoint == endpoint)
        if numbers != list(range(len(numbers))):
            yield f"{endpoint}: requests are missing from the history"
        for phase in (Phase.CONTROL, Phase.FAULT):
            if each["judged"] and not history.of(endpoint, phase):
                yield f"{endpoint}: nothing was sent in the {phase} phase"


CHECK = Check("complete", "the history is whole", run)
