"""Debian packages."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.resources.base import Resource


def packages(
    names: Sequence[str], *, name: str = "packages", after: Sequence[str] = (), timeout_s: float = 900.0
) -> Resource:
    """All of ``names`` are installed. What they install is not started by being installed,
    and what holds it back meanwhile is gone afterwards.

    Args:
        names: Debian package names.
        name: what to call the set; unique on its node.
        after: ids of resources that have to be right first.
        timeout_s: how long apt may take, seconds.
    """
    args = {"names": sorted(set(names))}
    return Resource("packages", name, args, {"missing": [], "left": []}, tuple(after), timeout_s=timeout_s)
