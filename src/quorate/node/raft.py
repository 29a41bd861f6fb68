"""A member of a clustered OVSDB database (ovsdb(7), "Clustered Database Service Model"): its own view."""

from __future__ import annotations

import re
from typing import Any

from quorate.node import tools, unit

WAITS = True
FIELD = re.compile(r"^([A-Z][A-Za-z ]*): (.*)$")
SERVER = re.compile(r"^\s+(?P<id>\w+) \(\w+ at (?P<address>[^)]+)\)(?P<rest>.*)$")
SILENT = re.compile(r"last msg (\d+) ms ago")


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``cluster/status`` of ovsdb-server(1).

    Args:
        args: ``control``, the server's control socket; ``database``, its name; ``unit`` and ``restart_on``
            as for `unit.look`, where it is to be told when its files change.

    Returns:
        ``status`` ("cluster member", "joining cluster" …); ``role``; ``leads``: whether it knows who leads;
        ``leader``: the leader's address, where it knows it; ``election_timer_ms``; ``servers``, each
        with ``address`` and ``silent_ms``, since the leader heard of it (None where this one does not know);
        ``stale``: it runs with older files, where ``unit`` is given.

    Raises:
        NotReady: the server does not answer.
    """
    argv = ["ovs-appctl", "--timeout=3", "-t", args["control"], "cluster/status", args["database"]]
    done = tools.run(argv, timeout_s=4)
    if done.exit != 0:
        raise tools.NotReady(f"the server of {args['database']} does not answer", done.words)
    state = parse(done.out)
    if "unit" in args:
        state["stale"] = bool(unit.look(_unit(args))["stale"])
    return state


def _unit(args: dict[str, Any]) -> dict[str, Any]:
    return {"name": args["unit"], "restart_on": args["restart_on"], "reload": False}


def parse(text: str) -> dict[str, Any]:
    """What ``cluster/status`` says, as `look` returns it."""
    fields: dict[str, str] = {}
    servers: list[dict[str, Any]] = []
    ids: dict[str, str] = {}
    for line in text.splitlines():
        if field := FIELD.match(line):
            fields[field[1]] = field[2].strip()
        elif server := SERVER.match(line):
            silent = SILENT.search(server["rest"])
            ids[server["id"]] = server["address"]
            servers.append({"address": server["address"], "silent_ms": int(silent[1]) if silent else None})
    leader = fields.get("Leader", "unknown")
    return {
        "status": fields.get("Status", "unknown"),
        "role": fields.get("Role", "unknown"),
        "leads": leader != "unknown",
        "leader": fields.get("Address", "") if leader == "self" else ids.get(leader, ""),
        "election_timer_ms": int(fields.get("Election timer", "0")),
        "servers": servers,
    }


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Restart it where it is stale, and wait until it is a member that knows its leader.

    With ``serial``, no two members are away at once. The leader sets the election timer for all.

    Args:
        args: as for `look`; ``wait_s``.

    Raises:
        Failed: it is not so within ``wait_s`` seconds.
    """
    if "stale" in wrong:
        unit.fix(_unit(args), {"stale": False}, ["stale"])
    if not tools.wait_until(lambda: _settled(args, desired), args["wait_s"]):
        state = look(args)
        found = ", ".join(f"{key} is {state[key]}" for key in tools.differing(desired, state))
        raise tools.Failed(f"{args['database']}: {found}, after {args['wait_s']:g} s")


def _settled(args: dict[str, Any], desired: dict[str, Any]) -> bool:
    state = look(args)
    wrong = tools.differing(desired, state)
    if wrong == ["election_timer_ms"] and state["role"] == "leader":
        # No more than double at once (ovsdb-server(1), cluster/change-election-timer).
        step = min(desired["election_timer_ms"], 2 * state["election_timer_ms"])
        argv = ["ovs-appctl", "--timeout=3", "-t", args["control"], "cluster/change-election-timer"]
        tools.check([*argv, args["database"], str(step)], "the election timer could not be changed")
    return not wrong
