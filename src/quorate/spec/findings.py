"""What was found in a cluster.yaml: each finding says where, what is wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

Path = tuple[str | int, ...]
"""The keys and list positions that lead to a value: ``("nodes", "c1", "addresses", "api")``."""


class Severity(StrEnum):
    """An error makes the file unusable; a warning is for the reader to weigh."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One mistake, or one thing worth a second thought.

    Args:
        path: which value it is about; empty for the whole file.
        what: what is wrong, one clause without a full stop.
        right: what would be right.
        severity: whether the file can be used all the same.
        line: line of the file, from 1; 0 where there is none (an unreadable file).
        relies_on: another value that it is judged by; where that one is broken, this is dropped.
    """

    path: Path
    what: str
    right: str = ""
    severity: Severity = Severity.ERROR
    line: int = 0
    relies_on: Path = ()

    def at(self, line: int) -> Finding:
        """The same finding with its line."""
        return replace(self, line=line)

    @property
    def is_error(self) -> bool:
        """Whether the file cannot be used."""
        return self.severity is Severity.ERROR

    def text(self, file: str) -> str:
        """One line for people: ``file:line: where: what; right``."""
        place = f"{file}:{self.line}" if self.line else file
        mark = "" if self.is_error else "warning: "
        subject = f"{dotted(self.path)}: " if self.path else ""
        tail = f"; {self.right}" if self.right else ""
        return f"{place}: {mark}{subject}{self.what}{tail}"

    def json(self) -> Mapping[str, Any]:
        """The same for programs."""
        fields = asdict(self)
        del fields["relies_on"]
        return {**fields, "path": dotted(self.path)}


def warning(path: Path, what: str, right: str = "") -> Finding:
    """A finding that does not make the file unusable."""
    return Finding(path, what, right, Severity.WARNING)


def dotted(path: Path) -> str:
    """``("nodes", "c1", "roles", 0)`` as ``nodes.c1.roles[0]``."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def nearest(word: str, known: list[str]) -> str:
    """The known word that ``word`` was probably meant to be, or ""."""
    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), "")


def meant(word: str, known: list[str], what: str) -> str:
    """What to say after an unknown word: the nearest known one, or all of them."""
    if close := nearest(word, known):
        return f"did you mean {close!r}?"
    return f"{what}: {', '.join(sorted(known)) or 'none'}"
