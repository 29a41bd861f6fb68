"""A service of the user's own on this node: does it run here, and does it work."""

from __future__ import annotations

import os
import time
from typing import Any

from quorate.node import host, http, tcp, tools, unit

WAITS = True
LOCATE_S = 3.0


def look(args: dict[str, Any]) -> dict[str, Any]:
    """What can be seen of it here.

    Args:
        args: ``node``; ``unit`` (or "") and ``resource``, what Pacemaker calls its program; ``vip``,
            ``mount``, ``device`` (or ""); ``check``: ``kind`` (http, tcp, command, none), ``url``, ``host``
            and ``port``, or ``argv``; ``timeout_s`` of that.

    Returns:
        ``known``: the unit exists here; ``active``: it runs here; ``sub``: in systemd's words; ``vip``,
        ``mounted``, ``device``: whether they are here, None where it has none; ``works`` and ``said``: what
        the check found, where it runs; ``ms``: how long that took.
    """
    found: dict[str, Any] = {"known": True, "sub": ""}
    if args["unit"]:
        state = unit.look({"name": args["unit"], "restart_on": []})
        found |= {"known": state["file"] != "not-found", "active": state["active"], "sub": state["sub"]}
    else:
        found["active"] = _located(args["resource"], args["node"])
    found["vip"] = args["vip"] in host.addresses() if args["vip"] else None
    found["mounted"] = os.path.ismount(args["mount"]) if args["mount"] else None
    found["device"] = os.path.exists(args["device"]) if args["device"] else None
    if found["active"]:
        begun = time.monotonic()
        works, said = _check(args["check"], float(args["timeout_s"]))
        found |= {"works": works, "said": said, "ms": round(1000 * (time.monotonic() - begun))}
    return found


def _located(resource: str, node: str) -> bool:
    argv = ["crm_resource", "--resource", resource, "--locate"]
    done = tools.run(argv, timeout_s=LOCATE_S)
    if done.exit != 0:
        raise tools.Failed(f"Pacemaker does not say where {resource} runs", done.words)
    lines = [line for line in done.out.splitlines() if "is running on:" in line]
    return any(node in line.partition("is running on:")[2].split() for line in lines)


def _check(check: dict[str, Any], timeout_s: float) -> tuple[bool, str]:
    """Whether it works, and what it said."""
    if check["kind"] == "http":
        answer = http.look({"url": check["url"], "timeout_s": timeout_s})
        said = f"answers {answer['status']}" if answer["status"] else str(answer["error"])
        return 0 < answer["status"] < 400, said
    if check["kind"] == "tcp":
        state = tcp.look({"host": check["host"], "port": check["port"], "timeout_s": timeout_s})
        return state["open"], "takes connections" if state["open"] else str(state["error"])
    if check["kind"] == "command":
        try:
            done = tools.run(check["argv"], timeout_s=timeout_s)
        except tools.Failed as error:
            return False, str(error)
        words = done.words.partition("\n")[0]
        return done.exit == 0, words or f"{check['argv'][0]} ended with {done.exit}"
    return True, "its process is there"
