"""systemd units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.resources.base import Resource


def unit(
    name: str,
    *,
    enabled: bool | None = None,
    active: bool | None = None,
    masked: bool = False,
    read: bool = False,
    restart_on: Sequence[str] = (),
    reload: bool = False,
    after: Sequence[str] = (),
    serial: bool = False,
    timeout_s: float = 90.0,
) -> Resource:
    """A systemd unit.

    Args:
        name: with its suffix ("haproxy.service").
        enabled: starts at boot (True), does not (False), or not ours to say (None).
        active: runs now (True), does not (False), or not ours to say (None: Pacemaker's).
        masked: cannot be started by anybody; then ``enabled`` is not looked at.
        read: systemd has read its files as they are now: for a unit that somebody else starts later
            (Pacemaker, a job that is not waited for).
        restart_on: files or folders. Where one is newer than the unit's start (or last reload), the unit is
            *stale* and is restarted. Read from the node's clock each time, so an apply that died half-way is
            made good. A unit that does not run is never stale.
        reload: a stale unit is reloaded instead of restarted.
        after: ids of resources that have to be right first, normally the files.
        serial: restart it on one node at a time.
        timeout_s: how long a start, stop or restart may take, seconds.
    """
    desired: dict[str, Any] = {}
    if masked:
        desired["file"] = "masked"
    elif enabled is not None:
        desired["file"] = "enabled" if enabled else "disabled"
    if active is not None:
        desired["active"] = active
    if restart_on:
        desired["stale"] = False
    if read:
        desired["changed"] = False
    args = {"name": name, "restart_on": list(restart_on), "reload": reload}
    return Resource("unit", name, args, desired, tuple(after), serial, timeout_s=timeout_s)
