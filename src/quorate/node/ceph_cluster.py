"""Inside the storage cluster: accounts, pools, and whether all is together. One question for all of it."""

from __future__ import annotations

import json
import time
from typing import Any

from quorate.node import ceph, tools

CLIENT, ASK_S = "admin", 5.0
COMMANDS = {"accounts": "auth ls", "pools": "osd dump", "together": "status"}
"""What each part of it is read from."""


def look_many(items: list[dict[str, Any]]) -> list[dict[str, Any] | Exception]:
    """The state of each item, by its ``part``: see `accounts`, `pools`, `together`."""
    wanted = sorted({COMMANDS[args["part"]] for args in items})
    said = ceph.ask([ceph.mon({"prefix": command}) for command in wanted], CLIENT, ASK_S)
    told = {command: json.loads(text) for command, text in zip(wanted, said, strict=True)}
    return [READERS[args["part"]](args, told[COMMANDS[args["part"]]]) for args in items]


def look(args: dict[str, Any]) -> dict[str, Any]:
    """The state of one item."""
    found = look_many([args])[0]
    if isinstance(found, Exception):
        raise found
    return found


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Import the accounts that are wrong, make pools, or wait until all of it is together."""
    if args["part"] == "accounts":
        text = "".join(args["accounts"][name]["keyring"] for name in look(args)["wrong"])
        ceph.ask([ceph.mon({"prefix": "auth import"}, text)], CLIENT, ASK_S)
    elif args["part"] == "pools":
        _make(args, look(args)["pools"])
    elif not tools.wait_until(lambda: not tools.differing(desired, look(args)), args["wait_s"]):
        raise tools.Failed(f"not together after {args['wait_s']:g} s: {_lacking(desired, look(args))}")


def accounts(args: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """``wrong``: names of ``accounts`` that are missing, or have another key or other capabilities."""
    there = {one["entity"]: (one["key"], one["caps"]) for one in told["auth_dump"]}
    wanted = {name: (one["key"], one["caps"]) for name, one in args["accounts"].items()}
    return {"wrong": sorted(name for name, one in wanted.items() if there.get(name) != one)}


def pools(args: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """``pools``: those of ``pools`` that there are, with what is wanted of them. They never shrink."""
    found = {}
    for one in told["pools"]:
        wanted = args["pools"].get(one["pool_name"])
        if wanted is not None:
            purposes = sorted(one["application_metadata"])
            found[one["pool_name"]] = {
                "pg_num": min(max(one["pg_num"], one.get("pg_num_target", 0)), wanted["pg_num"]),
                "application": wanted["application"] if wanted["application"] in purposes else "",
                "size": one["size"],
                "min_size": one["min_size"],
            }
    return {"pools": found}


def together(args: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """``monitors`` in the quorum, ``managers``, ``osds`` that are up, whether all groups are ``active``."""
    groups = told["pgmap"].get("pgs_by_state", ())
    active = sum(one["count"] for one in groups if "active" in one["state_name"].split("+"))
    return {
        "monitors": len(told["quorum_names"]),
        "managers": int(told["mgrmap"]["available"]) + int(told["mgrmap"].get("num_standbys", 0)),
        "osds": told["osdmap"]["num_up_osds"],
        "active": active > 0 and active == told["pgmap"]["num_pgs"],
    }


READERS = {"accounts": accounts, "pools": pools, "together": together}


def _make(args: dict[str, Any], there: dict[str, Any]) -> None:
    """Make, or correct, every pool that is not as wanted."""
    for name, wanted in args["pools"].items():
        found = there.get(name)
        if found == wanted:
            continue
        steps = []
        if found is None:
            create = {"prefix": "osd pool create", "pool": name, "pg_num": wanted["pg_num"]}
            steps.append(ceph.mon({**create, "autoscale_mode": "off"}))
        for key in ("size", "min_size", "pg_num"):
            if found is None or found[key] != wanted[key]:
                value = str(wanted[key])
                steps.append(ceph.mon({"prefix": "osd pool set", "pool": name, "var": key, "val": value}))
        if found is None or not found["application"]:
            steps.append(_purpose(name, wanted["application"]))
        _until_there(steps, args["wait_s"])


def _purpose(pool: str, application: str) -> dict[str, Any]:
    if application == "rbd":
        return {"to": "rbd", "pool": pool}
    enable = {"prefix": "osd pool application enable", "pool": pool, "app": application}
    return ceph.mon({**enable, "yes_i_really_mean_it": True})


def _until_there(steps: list[dict[str, Any]], wait_s: float) -> None:
    """Do ``steps``. Preparing a pool writes to it: until its OSDs are there, again."""
    deadline = time.monotonic() + wait_s
    for step in steps:
        while True:
            said = ceph.answers_of([step], CLIENT, ASK_S)[0]
            if not said["code"]:
                break
            if time.monotonic() >= deadline or step["to"] != "rbd":
                pool = step.get("pool") or step["command"]["pool"]
                raise tools.Failed(f"the pool {pool} cannot be made", said["err"])
            time.sleep(tools.POLL_S)


def _lacking(desired: dict[str, Any], state: dict[str, Any]) -> str:
    words = (f"{key}: {state[key]}, wanted {desired[key]}" for key in tools.differing(desired, state))
    return "; ".join(words)
