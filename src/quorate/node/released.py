"""What Pacemaker holds back while its schemas and accounts are made: let go, all at once."""

from __future__ import annotations

from typing import Any

from quorate.node import cib


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the cluster's configuration.

    Args:
        args: ``clones``, ids of resources.

    Returns:
        ``held``: those that are not configured yet, or not to be started.
    """
    return {"held": cib.held(cib.configuration(cib.query()), args["clones"])}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Have them started, and wait until that is carried out.

    Args:
        args: ``clones``; ``settle_s``, how long the cluster may take.

    Raises:
        Failed: the cluster refused, or has not come to rest in time.
    """
    live = cib.query()
    cib.release(cib.configuration(live), args["clones"])
    cib.replace(live, int(args["settle_s"]))
