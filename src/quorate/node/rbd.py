"""The block devices of a pool of the storage cluster: what ``verify`` looks for when a day is over."""

from __future__ import annotations

import json
from typing import Any

from quorate.node import tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``names`` of the devices, and of those in the trash.

    Args:
        args: ``pool``; ``client``, whose keyring is on this node and who may list it; ``timeout_s`` for each
            of the two lists.
    """
    base = ["rbd", "--id", args["client"], "--pool", args["pool"], "--format", "json"]
    limit = float(args["timeout_s"])
    there = json.loads(tools.check([*base, "ls"], "block devices cannot be listed", timeout_s=limit).out)
    trash = json.loads(tools.check([*base, "trash", "ls"], "the trash cannot be listed", timeout_s=limit).out)
    return {"names": sorted([*there, *(one["name"] for one in trash)])}
