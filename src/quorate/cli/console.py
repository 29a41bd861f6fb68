"""Where results for people are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 140
"""Columns, where nobody says how many there are (a pipe, a file)."""


def console() -> Console:
    """Standard output: as wide as the terminal, or `WIDE` where it is none."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDE, soft_wrap=True)
