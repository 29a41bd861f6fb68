"""The daemons of a node have read their files. Restarts go one by one, each only where it is not missed."""

from __future__ import annotations

from typing import Any

from quorate.node import ceph, tools, unit

ASK_S = 5.0
STEADY = ("leader", "peon")
"""States of a monitor that is in the quorum."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``stale``: the daemons (name to unit in ``daemons``) that started before one of ``files`` changed."""
    units = list(args["daemons"].values())
    states = unit.look_many([{"name": name, "restart_on": args["files"], "reload": False} for name in units])
    pairs = zip(args["daemons"], states, strict=True)
    return {"stale": [name for name, state in pairs if state["stale"]]}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Restart each stale one: before it, the others must be able to do without; after it, it must be back."""
    for name in look(args)["stale"]:
        kind, _, identity = name.partition(".")
        _until(lambda kind=kind, identity=identity: _spared(kind, identity), args, f"{name} cannot be spared")
        ran = {"name": args["daemons"][name], "restart_on": args["files"], "reload": False}
        unit.fix(ran, {"stale": False}, ["stale"])
        _until(lambda name=name, kind=kind: _back(name, kind), args, f"{name} is not back")


def _until(condition: Any, args: dict[str, Any], what: str) -> None:
    if not tools.wait_until(condition, args["wait_s"]):
        raise tools.Failed(f"{what} after {args['wait_s']:g} s; look at: ceph health detail")


def _spared(kind: str, identity: str) -> bool:
    if kind == "mgr":
        return True
    command = {"prefix": f"{kind} ok-to-stop", "ids": [identity]}
    step = {"to": "mgr" if kind == "osd" else "mon", "command": command}
    return not ceph.answers_of([step], "admin", ASK_S)[0]["code"]


def _back(name: str, kind: str) -> bool:
    if kind == "mon":
        return ceph.daemon(name, "mon_status", ASK_S)["state"] in STEADY
    if kind == "osd":
        return bool(ceph.daemon(name, "status", ASK_S)["state"] == "active")
    return bool(ceph.daemon(name, "version", ASK_S))
