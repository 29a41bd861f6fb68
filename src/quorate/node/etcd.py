"""A member of etcd: whether it takes part, and whether a value goes through it."""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

from quorate.node import etcd_ask, etcd_data, tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the member on this node.

    Args:
        args: as for `etcd_ask.ask`; ``node``; ``members``, controller to its peer URL; ``initial``, the file
            with whom to begin; ``write``: a value is written and read too.

    Returns:
        ``joined``: it answers and knows a leader; ``leads``; ``missing``, controllers that are no members or
        have never been there; ``strangers``, members that are no controllers; ``alarms``; ``written`` and
        ``ms``; ``error``; ``initial``: the file is still there.
    """
    begun = time.monotonic()
    state: dict[str, Any] = {"joined": False, "leads": False, "missing": [], "strangers": [], "alarms": []}
    state |= {"written": False, "error": "", "initial": os.path.exists(args["initial"])}
    try:
        status = etcd_ask.ask(args, "/v3/maintenance/status")
        leader = status.get("leader", "0")
        state["joined"] = leader != "0"
        state["leads"] = leader == status["header"]["member_id"]
        _compare(state, args, etcd_ask.members(args))
        alarms = etcd_ask.ask(args, "/v3/maintenance/alarm", {"action": "GET"}).get("alarms", [])
        state["alarms"] = sorted({str(one.get("alarm")) for one in alarms})
        if args["write"]:
            value = secrets.token_hex(8)
            key = f"quorate/health/{args['node']}"
            etcd_ask.put(args, key, value)
            state["written"] = etcd_ask.get(args, key) == value
    except (OSError, etcd_ask.Refusal, KeyError) as error:
        state["error"] = etcd_ask.said(error)
    state["ms"] = round(1000 * (time.monotonic() - begun))
    return state


def _compare(state: dict[str, Any], args: dict[str, Any], found: list[dict[str, Any]]) -> None:
    there = {url: one.get("name", "") for one in found for url in one["peerURLs"]}
    state["missing"] = sorted(node for node, url in args["members"].items() if not there.get(url))
    wanted = set(args["members"].values())
    state["strangers"] = sorted(name or url for url, name in there.items() if url not in wanted)


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait for it, ``wait_s`` seconds; then whom to begin with is forgotten: it has its data.

    Raises:
        Failed: it is not so in time.
    """
    last: dict[str, Any] = {}

    def right() -> bool:
        last.update(look(args))
        if last["joined"] and last["initial"] and etcd_data.there(args):
            os.unlink(args["initial"])
            last["initial"] = False
        return not tools.differing(desired, last)

    if not tools.wait_until(right, args["wait_s"]):
        said = ", ".join(f"{key}: {last[key]}" for key in (*desired, "error"))
        raise tools.Failed(f"etcd is not as it should be after {args['wait_s']:g} s", said)
