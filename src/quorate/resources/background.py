"""A unit that starts slowly, begun early and waited for late."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.resources.base import Resource


def background(name: str, *, after: Sequence[str] = ()) -> Resource:
    """The start of a unit has been begun. A later stage has to see that it succeeded (`unit`, `http`, `tcp`).

    Args:
        name: of the unit, with its suffix; systemd must have read its files.
        after: ids of resources that have to be right first.
    """
    return Resource("background", name, {"name": name}, {"begun": True}, tuple(after), timeout_s=40)
