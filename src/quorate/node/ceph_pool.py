"""Whether a pool of block devices can be read from this node, with the key of the service that uses it."""

from __future__ import annotations

import time
from typing import Any

from quorate.node import ceph, tools

WAITS = True
MARK = "rbd_info"
"""An object that each such pool has from its making (librbd, rbd_pool_init)."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``error``: why it cannot be read, or nothing; ``ms``: how long that took.

    Args:
        args: ``pool``; ``client``, whose key is used; ``timeout_s`` of each step (connect, read).
    """
    begun = time.monotonic()
    step = {"to": "pool", "do": "read", "pool": args["pool"], "object": MARK, "text": ""}
    error = ""
    try:
        ceph.ask([step], args["client"], float(args["timeout_s"]))
    except tools.Failed as failure:
        error = f"{failure}: {failure.evidence}" if failure.evidence else str(failure)
    return {"error": error.partition("\n")[0], "ms": round(1000 * (time.monotonic() - begun))}
