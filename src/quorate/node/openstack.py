"""OpenStack's APIs as the nodes' own looks and fixes use them: JSON over HTTP, a deadline on each request.

An *access* is a mapping: ``url`` of Keystone (…/v3), ``user``, ``password``, ``project`` (all in the default
domain), ``ca`` (file of the CA where the URL is https; the host's own where empty), ``timeout_s`` of a
request, and ``cache``, a path where a token is kept; ``fresh``, where a token past its time is no good.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from quorate.node import tools

KEPT_S = 1500.0
"""A token is used for so long before a new one is wanted: less than half of its life."""
AGAIN_S = 60.0
"""Until a new one is asked for again, where Keystone did not give it in time. A busy Keystone would be asked
by every look of every node at once, and each of them would fail though it has a token that is good."""
SILENT_S = 2.0
"""For so long after Keystone could not be reached nobody on this node tries again: a virtual IP that nobody
has costs each look three seconds, one after the other."""
PASSING = (401, 500, 502, 503, 504)
"""What is answered while a service, or what it needs, is not up; 401: it cannot have a token checked."""


class Answer(NamedTuple):
    """What came back; ``body`` is empty where it is no JSON."""

    status: int
    headers: Any
    body: dict[str, Any]


class NoToken(ValueError):
    """There is no token to ask with: Keystone is what does not answer, or not as it should."""


def ask(
    url: str,
    *,
    token: str = "",
    method: str = "",
    body: dict[str, Any] | None = None,
    timeout_s: float,
    ca: str = "",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request; any status is an answer. Raises OSError where none came."""
    sent = {"Accept": "application/json", **(headers or {})} | ({"X-Auth-Token": token} if token else {})
    data = None
    if body is not None:
        sent["Content-Type"], data = "application/json", json.dumps(body).encode()
    request = urllib.request.Request(url, data, sent, method=method or None)
    handlers: list[Any] = [urllib.request.ProxyHandler({})]
    if url.startswith("https:"):
        import ssl

        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca or None)))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout_s) as answer:
            return Answer(answer.status, answer.headers, _json(answer.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, _json(error.read()))
    except http.client.HTTPException as error:
        raise OSError(f"what answers does not speak HTTP: {error!r}") from None


def reason(error: Exception) -> str:
    """Why there was no answer, in a few words."""
    return str(getattr(error, "reason", "") or error)


def call(
    access: dict[str, Any],
    url: str,
    *,
    method: str = "",
    body: dict[str, Any] | None = None,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request with this node's token; where that is refused (401), once more with a new one.

    Any status is an answer, a second 401 too.

    Raises:
        NoToken: there is no token.
        OSError: no answer came.
    """
    refused = ""
    for _ in range(2):
        try:
            mine = token(access, refused=refused)
        except (OSError, ValueError) as error:
            said = reason(error)
            raise NoToken(said if "token" in said else f"no token: Keystone: {said}") from None
        ca = access.get("ca", "")
        answer = ask(url, token=mine, method=method, body=body, timeout_s=timeout_s, ca=ca, headers=headers)
        if answer.status != 401:
            break
        refused = mine
    return answer


class Api(NamedTuple):
    """A service's API, for questions whose answer has to be good.

    Attributes:
        name: of the service, for people ("Neutron").
        url: that its paths are put behind.
        access: see above.
        timeout_s: of each request.
        headers: sent with each.
    """

    name: str
    url: str
    access: dict[str, Any]
    timeout_s: float
    headers: Mapping[str, str] = MappingProxyType({})

    def told(
        self,
        path: str,
        *,
        method: str = "GET",
        body: dict[str, Any] | None = None,
        good: tuple[int, ...] = (200,),
    ) -> dict[str, Any]:
        """JSON of what it answers to `call`.

        Args:
            path: behind the URL, with its question.
            method: of HTTP.
            body: sent as JSON.
            good: statuses with which all is well.

        Raises:
            NotReady: it does not answer, or not as it does when all is well.
            Failed: it refuses; the evidence is what it says.
        """
        try:
            answer = call(
                self.access,
                self.url + path,
                method=method,
                body=body,
                timeout_s=self.timeout_s,
                headers=self.headers,
            )
        except (OSError, ValueError) as error:
            raise tools.NotReady(f"{self.name} cannot be asked: {reason(error)}") from None
        if answer.status in good:
            return answer.body
        kind = tools.NotReady if answer.status in PASSING else tools.Failed
        raise kind(f"{method} of {self.name}'s {path} answered {answer.status}", str(answer.body)[:500])


def issue(access: dict[str, Any]) -> str:
    """A new token. Raises ValueError with what Keystone answered, OSError where it did not."""
    default = {"id": "default"}
    user = {"name": access["user"], "domain": default, "password": access["password"]}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": access["project"], "domain": default}}
    answer = ask(
        access["url"] + "/auth/tokens",
        body={"auth": {"identity": identity, "scope": scope}},
        timeout_s=float(access["timeout_s"]),
        ca=access.get("ca", ""),
    )
    if answer.status != 201:
        raise ValueError(f"no token: Keystone answered {answer.status}")
    return str(answer.headers["X-Subject-Token"])


def token(access: dict[str, Any], *, refused: str = "") -> str:
    """The token that this node keeps for all its looks, or a new one. Checking a password costs a fifth of a
    second of CPU by design (bcrypt), so looks that come together wait for the one that asks; they share what
    it found, no answer too.

    One past its time is used on where Keystone does not give another in half the time of a request.

    Args:
        access: see above.
        refused: a token that was just answered with 401: not that one.

    Raises:
        ValueError, OSError: as `issue`.
    """
    path = access["cache"]
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+", encoding="ascii") as file:
        waited = float(access["timeout_s"]) + 1
        if not tools.wait_until(lambda: _locked(handle), waited):
            raise ValueError(f"no token: another look waits for one for more than {waited:g} s")
        kept = file.read()
        good = bool(kept) and kept != refused
        if good and time.time() - os.stat(path).st_mtime <= KEPT_S:
            return kept
        spare = good and not access.get("fresh")
        if not spare and (why := _silent(path)):
            raise ValueError(f"no token: Keystone: {why}")
        try:
            fresh = issue(access | {"timeout_s": float(access["timeout_s"]) / 2} if spare else access)
        except (OSError, ValueError) as error:
            if not spare:
                if isinstance(error, OSError):
                    with open(path + ".silent", "w", encoding="utf-8") as note:
                        note.write(reason(error))
                raise
            past = time.time() - KEPT_S + AGAIN_S
            os.utime(path, (past, past))
            return kept
        file.seek(0)
        file.truncate()
        file.write(fresh)
        return fresh


def _silent(path: str) -> str:
    """Why Keystone could not be reached a moment ago; empty where nobody tried."""
    try:
        age = time.time() - os.stat(path + ".silent").st_mtime
        with open(path + ".silent", encoding="utf-8") as file:
            return file.read() if 0 <= age < SILENT_S else ""
    except FileNotFoundError:
        return ""


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw) if raw else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
