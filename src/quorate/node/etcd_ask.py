"""Questions to a member of etcd, by its JSON gateway (etcd manual, "gRPC gateway"), with a certificate."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from typing import Any

REFUSED = "refused"


class Refusal(Exception):
    """The member answered, with an error: etcd's own words."""


def ask(
    args: dict[str, Any], path: str, body: dict[str, Any] | None = None, *, address: str = ""
) -> dict[str, Any]:
    """POST ``body`` to ``path`` of the member on ``address``, this node's own where empty.

    Args:
        args: ``address``, ``port``, ``tls``: folder with ca.crt, member.crt, member.key, ``timeout_s``.

    Raises:
        Refusal: it answered with an error.
        OSError: it did not answer; ConnectionRefusedError: nobody listens there.
    """
    context = ssl.create_default_context(cafile=f"{args['tls']}/ca.crt")
    context.load_cert_chain(f"{args['tls']}/member.crt", f"{args['tls']}/member.key")
    connection = http.client.HTTPSConnection(
        address or args["address"], int(args["port"]), timeout=float(args["timeout_s"]), context=context
    )
    try:
        connection.request("POST", path, json.dumps(body or {}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        raw = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"what answered does not speak HTTP: {error!r}") from None
    finally:
        connection.close()
    try:
        found = json.loads(raw)
    except ValueError:
        raise OSError(f"answered {answer.status}, and no JSON") from None
    if answer.status != 200:
        raise Refusal(str(found.get("message") or found.get("error") or f"answered {answer.status}"))
    return dict(found)


def coded(text: str) -> str:
    """Keys and values travel in base64."""
    return base64.b64encode(text.encode()).decode()


def put(args: dict[str, Any], key: str, value: str) -> None:
    """Write; done when a quorum has it."""
    ask(args, "/v3/kv/put", {"key": coded(key), "value": coded(value)})


def get(args: dict[str, Any], key: str) -> str:
    """Read with a quorum; nothing where the key is not there."""
    found = ask(args, "/v3/kv/range", {"key": coded(key)}).get("kvs") or []
    return base64.b64decode(found[0].get("value", "")).decode() if found else ""


def members(args: dict[str, Any], *, address: str = "") -> list[dict[str, Any]]:
    """Who belongs to the cluster: ``ID``, ``peerURLs``, and ``name`` of those that have been there."""
    return list(ask(args, "/v3/cluster/member/list", address=address)["members"])


def said(error: Exception) -> str:
    """An error in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", "") or str(error) or type(error).__name__
