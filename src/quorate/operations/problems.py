"""What is wrong with a cluster, in the words of the person who has to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum


class Severity(StrEnum):
    """How bad. Anything but *info* makes a cluster unhealthy."""

    CRITICAL = "critical"
    """Clients are without something, or data is at risk."""
    WARNING = "warning"
    """Clients are served, but the next failure may not be survived."""
    INFO = "info"
    """Worth knowing, nothing to mend."""


ORDER = tuple(Severity)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        what: in a sentence without a full stop.
        where: the node, nodes, service or address.
        next_step: what the reader can do about it now.
        severity: how bad it is.
    """

    what: str
    where: str
    next_step: str
    severity: Severity = Severity.WARNING

    def as_json(self) -> dict[str, str]:
        """For ``--json``."""
        return {key: str(value) for key, value in asdict(self).items()}


def critical(what: str, where: str, next_step: str) -> Problem:
    """A problem that clients feel, or that endangers data."""
    return Problem(what, where, next_step, Severity.CRITICAL)


def merged(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The worst first; those that differ only in where become one that names all places."""
    joined: dict[tuple[str, str, Severity], Problem] = {}
    for problem in problems:
        key = (problem.what, problem.next_step, problem.severity)
        before = joined.get(key)
        if before is None:
            joined[key] = problem
        elif problem.where not in before.where.split(", "):
            joined[key] = replace(before, where=f"{before.where}, {problem.where}")
    return tuple(sorted(joined.values(), key=lambda problem: ORDER.index(problem.severity)))
