"""A folder: its owner and mode, and that nothing unknown lies in it."""

from __future__ import annotations

import os
from typing import Any

from quorate.node import file, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """As of a file, and where it purges ``unknown``: entries that are no folders and not in ``keep``."""
    state = file.entry(args["path"])
    if args.get("purge"):
        state["unknown"] = _unknown(args) if state["type"] == "directory" else []
    return state


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Make it, give it its owner and mode, remove what is unknown."""
    path = args["path"]
    uid, gid, mode = file.ids(desired)
    now = file.entry(path)["type"]
    if now not in ("absent", "directory"):
        raise tools.Failed(f"{path} is there and is no folder ({now})")
    if now == "absent":
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        os.mkdir(path, 0o700)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    if "unknown" in wrong:
        for name in _unknown(args):
            os.unlink(os.path.join(path, name))
    file.sync_folder(os.path.dirname(path))


def _unknown(args: dict[str, Any]) -> list[str]:
    with os.scandir(args["path"]) as entries:
        names = [one.name for one in entries if not one.is_dir(follow_symlinks=False)]
    return sorted(set(names) - set(args["keep"]))
