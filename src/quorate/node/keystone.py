"""Whether this node's Keystone does its job: a token, and a question that only the database answers.

A token is kept (0600, in /run) until it is refused or half of its life is over, because checking a password
costs a fifth of a second of CPU by design (bcrypt).
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

KEPT_S = 1500.0


def look(args: dict[str, Any]) -> dict[str, Any]:
    """List the project ``project`` with a token of this node.

    Args:
        args: ``url`` (…/v3), ``user``, ``password``, ``project``, ``cache`` (path of the kept token) and
            ``timeout_s`` for each request.

    Returns:
        ``issued`` (a token is there), ``listed`` (the project was found with it), ``ms``; or ``error``.
    """
    started = time.monotonic()
    state: dict[str, Any] = {"issued": False, "listed": False}
    token = _kept(args["cache"])
    try:
        for attempt in ("kept", "new"):
            if not token:
                token, attempt = _issue(args), "new"
                _keep(args["cache"], token)
            state["issued"] = True
            status, _, body = _ask(args, f"/projects?name={args['project']}", {"X-Auth-Token": token})
            if status != 401 or attempt == "new":
                break
            token = ""
    except (OSError, ValueError, KeyError) as error:
        return state | {"error": str(error)}
    state["listed"] = status == 200 and len(body.get("projects", ())) == 1
    state["status"] = status
    state["ms"] = round(1000 * (time.monotonic() - started))
    return state


def _issue(args: dict[str, Any]) -> str:
    default = {"id": "default"}
    user = {"name": args["user"], "domain": default, "password": args["password"]}
    scope = {"project": {"name": args["project"], "domain": default}}
    auth = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    status, headers, _ = _ask(
        args, "/auth/tokens", {"Content-Type": "application/json"}, json.dumps(auth).encode()
    )
    if status != 201:
        raise ValueError(f"no token: Keystone answered {status}")
    return str(headers["X-Subject-Token"])


def _ask(args: dict[str, Any], path: str, headers: dict[str, str], body: bytes | None = None) -> Any:
    request = urllib.request.Request(args["url"] + path, body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=float(args["timeout_s"])) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, {}


def _kept(path: str) -> str:
    try:
        if time.time() - os.stat(path).st_mtime > KEPT_S:
            return ""
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _keep(path: str, token: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token)
