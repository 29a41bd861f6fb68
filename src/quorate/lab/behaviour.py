"""How a machine's BMC behaves: as it should, or as bad ones do. Kept in a file that it reads each time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quorate.errors import UsageError
from quorate.lab.layout import NodeFolder

LONGEST_S = 600.0


class Kind(StrEnum):
    """What a BMC can be like."""

    NORMAL = "normal"
    DEAD = "dead"
    """Not one packet comes back."""
    SLOW = "slow"
    """Each command is answered, and carried out, some seconds later."""
    LYING = "lying"
    """It says that it did what it was told, and does nothing; asked for the power, it sticks to that."""


@dataclass(frozen=True)
class Behaviour:
    """``delay_s``: of `Kind.SLOW`, seconds before each command; otherwise 0."""

    kind: Kind
    delay_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.delay_s:g}" if self.kind is Kind.SLOW else str(self.kind)


NORMAL = Behaviour(Kind.NORMAL)


def parse(text: str) -> Behaviour:
    """``normal``, ``dead``, ``lying`` or ``slow SECONDS``. Raises UsageError."""
    kind, _, delay = text.strip().partition(" ")
    choices = "normal, dead, slow SECONDS, lying"
    try:
        found = Behaviour(Kind(kind), float(delay) if delay else 0.0)
    except ValueError:
        raise UsageError(
            f"{text!r} is nothing that a BMC could be", next_step=f"choose one of: {choices}"
        ) from None
    right = 0 < found.delay_s <= LONGEST_S if found.kind is Kind.SLOW else not delay
    if not right:
        raise UsageError(
            f"slow needs seconds, above 0 and at most {LONGEST_S:g}; nothing else takes any",
            next_step=f"choose one of: {choices}",
        )
    return found


def _path(folder: NodeFolder) -> Path:
    return folder.path / "bmc-behaviour"


def read(folder: NodeFolder) -> Behaviour:
    """How it behaves now: normally, where nobody said anything else."""
    try:
        return parse(_path(folder).read_text())
    except FileNotFoundError:
        return NORMAL


def write(folder: NodeFolder, behaviour: Behaviour) -> None:
    """From its next packet on it behaves like this."""
    if behaviour == NORMAL:
        _path(folder).unlink(missing_ok=True)
        return
    new = _path(folder).with_suffix(".new")
    new.write_text(f"{behaviour}\n")
    new.rename(_path(folder))
