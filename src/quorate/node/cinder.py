"""Cinder's workers and storage, as the API on this node sees them; and whether they have a message broker."""

from __future__ import annotations

from typing import Any

from quorate.node import openstack, tools

WAITS = True
CONNECTED, BROKER_PORT = "/usr/local/lib/quorate/connected", "5672"


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the API, and the kernel for connections of the workers on this node.

    Args:
        args: ``url`` of the API on this node (…/v3); ``access`` to Keystone (`quorate.node.openstack`);
            ``timeout_s`` of each question; ``units`` of workers; ``pools``: the storage is asked for too.

    Returns:
        ``error``: why somebody could not be asked; ``services``, each with ``binary``, ``host``, ``state``,
        ``status``, ``reason``, ``updated_at``; ``pools``, each with ``name``, ``free`` and ``total`` in GiB,
        ``state``; ``connected``: unit to whether it has a message broker, None where it does not run here.
    """
    state: dict[str, Any] = {"error": "", "services": [], "pools": [], "connected": {}}
    api = openstack.Api("Cinder", args["url"], args["access"], float(args["timeout_s"]))
    try:
        for one in api.told("/os-services")["services"]:
            kept = {key: one.get(key) or "" for key in ("binary", "host", "state", "status", "updated_at")}
            state["services"].append(kept | {"reason": one.get("disabled_reason") or ""})
        if args["pools"]:
            pools = api.told("/scheduler-stats/get_pools?detail=true")["pools"]
            state["pools"] = [_pool(one) for one in pools]
        state["connected"] = {unit: connected(unit) for unit in args["units"]}
    except (OSError, ValueError, KeyError, tools.Failed) as error:
        state["error"] = str(getattr(error, "reason", "") or error)
    return state


def _pool(one: dict[str, Any]) -> dict[str, Any]:
    said = one["capabilities"]
    return {
        "name": one["name"],
        "free": _gib(said.get("free_capacity_gb")),
        "total": _gib(said.get("total_capacity_gb")),
        "state": said.get("backend_state") or "up",
    }


def _gib(value: Any) -> float:
    """Drivers may also say "unknown" or "infinite"."""
    return float(value) if isinstance(value, int | float) else 0.0


def connected(unit: str) -> bool | None:
    """Whether a process of ``unit`` has a connection to a message broker; None where it does not run here."""
    done = tools.run([CONNECTED, unit, BROKER_PORT], timeout_s=3.0)
    return None if "has no process" in done.out else done.exit == 0
