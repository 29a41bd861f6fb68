"""systemd units, all of a node read in one call."""

from __future__ import annotations

import os
from typing import Any

from quorate.node import tools

PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,ExecMainStartTimestamp,InactiveExitTimestamp,"
    "FragmentPath,DropInPaths,MainPID"
)
FILE_STATES = {
    "enabled": "enabled", "enabled-runtime": "enabled", "alias": "enabled", "masked": "masked",
    "masked-runtime": "masked", "disabled": "disabled", "static": "disabled", "indirect": "disabled",
    "linked": "disabled",
}  # fmt: skip
STAMPS = "/run/quorate/reloaded"
"""A file a unit, as old as the unit's last reload by us: systemd does not keep that time."""
SETTLE_S = 20.0
"""How long a unit that was started may be on its way to a next try (systemd.service(5), Restart=)."""


def look_many(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``file`` (enabled, disabled, masked, not-found …), ``active``, ``sub``, ``pid``, ``stale``, ``changed``

    ``stale``: it runs, and one of ``restart_on``, or of its own files in /etc/systemd/system, is newer than
    its start or last reload. ``changed``: systemd has not read the unit's files since they changed.
    """
    argv = [
        "systemctl",
        "show",
        "--timestamp=us+utc",
        "-p",
        PROPERTIES,
        "--",
        *[args["name"] for args in items],
    ]
    blocks = tools.check(argv, "systemd does not tell about its units").out.rstrip("\n").split("\n\n")
    if len(blocks) != len(items):
        raise tools.Failed(f"systemd told of {len(blocks)} units, {len(items)} were asked for")
    return [_state(args, _parse(block)) for args, block in zip(items, blocks, strict=True)]


def look(args: dict[str, Any]) -> dict[str, Any]:
    """The state of one unit."""
    return look_many([args])[0]


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Whatever the wrong keys say: mask, enable, disable, start, stop, restart, reload."""
    name, now = args["name"], look(args)
    if now["file"] == "not-found" and desired.get("file") != "masked" and desired.get("active", True):
        raise tools.Failed(f"there is no unit {name} on this node")
    if now["changed"]:
        _systemctl("daemon-reload")
    if "file" in wrong:
        if now["file"] == "masked":
            _systemctl("unmask", name)
        verb = {"masked": "mask", "enabled": "enable", "disabled": "disable"}[desired["file"]]
        _systemctl(verb, name)
    if "active" in wrong:
        if desired["active"]:
            tools.run(["systemctl", "reset-failed", name])
        _job("start" if desired["active"] else "stop", name)
        if desired["active"]:
            # One that ended at once, as what it needs is not there yet, comes back by its own Restart=.
            tools.wait_until(lambda: not look(args)["sub"].startswith("activating/"), SETTLE_S)
    elif "stale" in wrong:
        if args["reload"] and not now["changed"]:
            stamp = os.path.join(STAMPS, name)
            os.makedirs(STAMPS, mode=0o700, exist_ok=True)
            with open(stamp + ".new", "w", encoding="ascii"):
                pass
            _job("reload", name)
            os.rename(stamp + ".new", stamp)
        else:
            _job("restart", name)


def _state(args: dict[str, Any], unit: dict[str, str]) -> dict[str, Any]:
    active = unit["ActiveState"] in ("active", "reloading", "refreshing")
    missing = unit["LoadState"] == "not-found" and not unit["UnitFileState"]
    file = "not-found" if missing else FILE_STATES.get(unit["UnitFileState"], unit["UnitFileState"])
    changed = unit.get("NeedDaemonReload") == "yes"
    began = max(_seconds(unit.get(key, "")) for key in ("ExecMainStartTimestamp", "InactiveExitTimestamp"))
    began = max(began, _newest([os.path.join(STAMPS, args["name"])]))
    own = [unit.get("FragmentPath", ""), *unit.get("DropInPaths", "").split()]
    watched = [
        *args.get("restart_on", ()),
        *(path for path in own if path.startswith("/etc/systemd/system/")),
    ]
    stale = active and bool(args.get("restart_on")) and (changed or _newest(watched) > began)
    return {
        "file": file, "active": active, "sub": f"{unit['ActiveState']}/{unit['SubState']}", "stale": stale,
        "changed": changed, "pid": int(unit.get("MainPID", "0")),
    }  # fmt: skip


def _parse(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.strip().splitlines() if "=" in line)


def _newest(paths: list[str]) -> float:
    """The newest modification time of the files, and of the files in the folders, seconds since the epoch."""
    newest = 0.0
    for path in paths:
        try:
            newest = max(newest, os.stat(path).st_mtime)
            if os.path.isdir(path):
                newest = max(
                    [newest, *(entry.stat().st_mtime for entry in os.scandir(path) if entry.is_file())]
                )
        except FileNotFoundError:
            continue
    return newest


def _seconds(stamp: str) -> float:
    """``Sun 2026-11-22 11:34:05.123456 UTC`` as seconds since the epoch; 0 for never."""
    if len(stamp.split()) != 4:
        return 0.0
    _, date, clock, _ = stamp.split()
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, second = clock.split(":")
    # Days of the proleptic Gregorian calendar before the year, with the year beginning in March.
    late = year - (month <= 2)
    days = 365 * late + late // 4 - late // 100 + late // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (days - 719468) * 86400.0 + int(hour) * 3600 + int(minute) * 60 + float(second)


def _systemctl(*words: str) -> None:
    # Where a package has an init script too, `enable` also calls update-rc.d, which fails on a host whose
    # packages were installed with everything disabled. The script never runs where a unit of its name exists.
    env = {"SYSTEMCTL_SKIP_SYSV": "1"}
    tools.check(["systemctl", *words], f"systemctl {' '.join(words)}", env=env, timeout_s=60)


def _job(verb: str, name: str) -> None:
    done = tools.run(["systemctl", verb, "--", name], timeout_s=3600)
    if done.exit != 0:
        journal = tools.run(["journalctl", "-u", name, "-n", "15", "--no-pager", "-o", "short-precise"])
        raise tools.Failed(f"{name} does not {verb}", f"{done.words}\n{journal.out.strip()}")
