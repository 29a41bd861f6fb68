"""Whether this node's Keystone does its job: a token, and a question that only the database answers."""

from __future__ import annotations

import time
from typing import Any

from quorate.node import openstack


def look(args: dict[str, Any]) -> dict[str, Any]:
    """List the project ``project`` with a token of this node.

    Args:
        args: an access (`quorate.node.openstack`) to this node's Keystone.

    Returns:
        ``issued`` (a token is there), ``listed`` (the project was found with it), ``ms``; or ``error``.
    """
    started = time.monotonic()
    state: dict[str, Any] = {"issued": False, "listed": False}
    url = f"{args['url']}/projects?name={args['project']}"
    try:
        answer = openstack.call(args | {"fresh": True}, url, timeout_s=float(args["timeout_s"]))
    except openstack.NoToken as error:
        return state | {"error": str(error)}
    except OSError as error:
        return state | {"issued": True, "error": openstack.reason(error)}
    state["issued"] = True
    state["listed"] = answer.status == 200 and len(answer.body.get("projects", ())) == 1
    state["status"] = answer.status
    state["ms"] = round(1000 * (time.monotonic() - started))
    return state
