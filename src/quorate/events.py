"""What long operations tell whoever is watching: the engine and the lab emit, the command line draws."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """The life of one piece of work. ``NOTE`` stands alone."""

    STARTED = "started"
    PROGRESS = "progress"
    DONE = "done"
    FAILED = "failed"
    NOTE = "note"


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Args:
        kind: where in its life the work is.
        subject: what the work is, stable over its life ("image", "apply base", "node c1").
        text: what there is to say now.
        fraction: how far, 0 to 1, or None where nobody can know.
    """

    kind: Kind
    subject: str
    text: str = ""
    fraction: float | None = None


class Listener(Protocol):
    """Receives events. Must be quick and must not raise."""

    def __call__(self, event: Event, /) -> None: ...


def silent(event: Event, /) -> None:
    """Drop every event: for tests and for callers that only want the result."""
