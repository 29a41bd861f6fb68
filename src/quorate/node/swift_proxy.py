"""Whether this node's object API does its job: an account, asked for with a token."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from quorate.node import openstack

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask this node's proxy for the account of the project ``admin``.

    Args:
        args: ``url`` of the proxy; ``access`` to Keystone (`quorate.node.openstack`); ``timeout_s``.

    Returns:
        ``token`` (Keystone gave one), ``status`` (0: no answer), ``answered`` (from the storage nodes),
        ``ms``, ``error``.
    """
    state: dict[str, Any] = {"token": False, "status": 0, "answered": False}
    begun = time.monotonic()
    try:
        project = _project(args["access"])
        begun = time.monotonic()
        answer = _account(args, project)
        if answer.status == 403:
            # Keystone was set up anew: the project has another id.
            _forget(args["access"])
            answer = _account(args, _project(args["access"]))
        state |= {"token": True, "status": answer.status, "answered": answer.status in (200, 204)}
    except openstack.NoToken as error:
        state["error"] = str(error)
    except OSError as error:
        state |= {"token": True, "error": openstack.reason(error)}
    state["ms"] = round(1000 * (time.monotonic() - begun))
    return state


def _account(args: dict[str, Any], project: str) -> openstack.Answer:
    url = f"{args['url']}/v1/AUTH_{project}?limit=1"
    return openstack.call(args["access"], url, timeout_s=float(args["timeout_s"]))


def _kept(access: dict[str, Any]) -> str:
    return str(access["cache"]) + "-project"


def _forget(access: dict[str, Any]) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_kept(access))


def _project(access: dict[str, Any]) -> str:
    """The id of the project that tokens are for, kept beside them.

    Raises NoToken where Keystone does not tell it.
    """
    with contextlib.suppress(FileNotFoundError), open(_kept(access), encoding="ascii") as file:
        return file.read()
    try:
        answer = openstack.call(
            access, f"{access['url']}/auth/projects", timeout_s=float(access["timeout_s"])
        )
    except OSError as error:
        raise openstack.NoToken(openstack.reason(error)) from None
    found = [one["id"] for one in answer.body.get("projects", ()) if one["name"] == access["project"]]
    if not found:
        raise openstack.NoToken(f"Keystone does not name the project {access['project']} ({answer.status})")
    with open(_kept(access), "w", encoding="ascii") as file:
        file.write(str(found[0]))
    return str(found[0])
