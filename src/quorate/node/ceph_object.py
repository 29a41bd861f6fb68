"""An object of the storage cluster written, read or removed: what ``verify`` proves it with."""

from __future__ import annotations

from typing import Any

from quorate.node import ceph


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``done`` and ``text``, what was read; raises with Ceph's words.

    Args:
        args: ``do`` ("write", "read", "remove"), ``pool``, ``object``, ``text``, ``client``, ``timeout_s``.
    """
    step = {
        "to": "pool",
        **{key: args[key] for key in ("pool", "do", "object")},
        "text": args.get("text", ""),
    }
    return {"done": True, "text": ceph.ask([step], args["client"], float(args["timeout_s"]))[0]}
