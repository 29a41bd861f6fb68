"""Whether a service's API on this node does its job: a request that takes its database."""

from __future__ import annotations

import time
from typing import Any

from quorate.node import openstack, tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """GET ``url``.

    Args:
        args: ``url``; ``access`` to Keystone (`quorate.node.openstack`); ``key`` that the answer's JSON has
            to have; ``timeout_s``.

    Returns:
        ``token`` (Keystone gave one), ``status`` (0: no answer), ``found`` (the key is there), ``ms``,
        ``error``.
    """
    begun = time.monotonic()
    state: dict[str, Any] = {"token": False, "status": 0, "found": False}
    try:
        answer = openstack.call(args["access"], args["url"], timeout_s=float(args["timeout_s"]))
        state |= {"token": True, "status": answer.status, "found": args["key"] in answer.body}
    except openstack.NoToken as error:
        state["error"] = str(error)
    except OSError as error:
        state |= {"token": True, "error": openstack.reason(error)}
    state["ms"] = round(1000 * (time.monotonic() - begun))
    return state


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait for it, ``wait_s`` seconds."""
    last: dict[str, Any] = {}

    def right() -> bool:
        last.update(look(args))
        return not tools.differing(desired, last)

    if not tools.wait_until(right, args["wait_s"]):
        said = last.get("error") or f"status {last['status']}"
        raise tools.Failed(f"the API does not answer as it should after {args['wait_s']:g} s", said)
