"""How this node's message broker is, asked of its management interface: members, partitions, alarms.

The command-line tools would start an Erlang virtual machine for each question (1 to 2 s of CPU).
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

KEYS = "name,running,partitions,mem_alarm,disk_free_alarm"


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the broker for all members, and for its own alarms.

    Args:
        args: ``url`` of the management interface, ``user``, ``password``, ``node`` (its Erlang name) and
            ``timeout_s`` for each question.

    Returns:
        ``running`` (names of members that run), ``partitions`` (members it does not agree with),
        ``alarms``; or ``error``.
    """
    try:
        nodes = get(args, f"/api/nodes?columns={KEYS}")
    except (OSError, ValueError) as error:
        return {"error": f"the broker does not answer: {error}"}
    own = next((each for each in nodes if each.get("name") == args["node"]), None)
    if own is None or not own.get("running"):
        return {"error": f"{args['node']} is not a running member"}
    names = {"mem_alarm": "memory", "disk_free_alarm": "disk"}
    return {
        "running": sorted(each["name"] for each in nodes if each.get("running")),
        "partitions": sorted(own.get("partitions") or []),
        "alarms": [text for key, text in names.items() if own.get(key)],
    }


def get(args: dict[str, Any], path: str) -> Any:
    """The JSON at ``path``. Raises OSError or ValueError."""
    credentials = base64.b64encode(f"{args['user']}:{args['password']}".encode()).decode()
    request = urllib.request.Request(args["url"] + path, headers={"Authorization": f"Basic {credentials}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=float(args.get("timeout_s", 3.0))) as answer:
        return json.load(answer)
