"""The cluster's lock on this node: a folder with its holder in it, put there whole, by one rename."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from quorate.node import tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``holder``: who has it (None: nobody)."""
    try:
        with open(os.path.join(args["path"], "holder"), encoding="utf-8") as handle:
            return {"holder": json.load(handle)}
    except FileNotFoundError:
        return {"holder": None}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Take it for ``desired["holder"]``; or, where that is None, let it go if ``args["only"]`` has it."""
    path, holder = args["path"], desired["holder"]
    if holder is None:
        now = look(args)["holder"]
        if now is not None and args.get("only") not in (None, now):
            raise tools.Failed("somebody else has the lock", json.dumps(now))
        aside = f"{path}.{os.urandom(4).hex()}"
        os.rename(path, aside)
        shutil.rmtree(aside)
        return
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    mine = f"{path}.{os.urandom(4).hex()}"
    os.mkdir(mine, 0o700)
    try:
        with open(os.path.join(mine, "holder"), "w", encoding="utf-8") as handle:
            json.dump(holder, handle)
        os.rename(mine, path)
    except OSError:
        shutil.rmtree(mine)
        raise tools.Failed("the lock is taken", json.dumps(look(args)["holder"])) from None
