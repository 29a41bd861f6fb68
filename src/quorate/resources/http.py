"""Answers over the network, asked for on the node itself. Fixing is waiting, within a deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.resources.base import Resource


def http(
    name: str,
    url: str,
    *,
    status: int = 200,
    match: str = "",
    headers: Mapping[str, str] | None = None,
    connect_to: str = "",
    ca: str = "",
    verify: bool = True,
    timeout_s: float = 5.0,
    wait_s: float = 60.0,
    after: Sequence[str] = (),
) -> Resource:
    """GET ``url`` on the node answers ``status``.

    Args:
        name: what that proves, for people; unique among the http resources of its node.
        url: http:// or https://.
        status: the status code that has to come.
        match: text that has to be in the first 64 KiB of the body.
        headers: sent with the request.
        connect_to: "address:port" to connect to instead of the URL's (its name is still used for TLS and
            Host).
        ca: path on the node of the CA certificate; the node's own store where empty.
        verify: whether the certificate is checked.
        timeout_s: for one request.
        wait_s: how long an apply waits for it.
        after: ids of resources that have to be right first.
    """
    args = http_args(url, match=match, headers=headers, connect_to=connect_to, ca=ca, verify=verify,
                     timeout_s=timeout_s) | {"wait_s": wait_s}  # fmt: skip
    desired: dict[str, Any] = {"status": status} | ({"match": True} if match else {})
    return Resource("http", name, args, desired, tuple(after), timeout_s=wait_s + timeout_s + 5)


def http_args(
    url: str,
    *,
    match: str = "",
    headers: Mapping[str, str] | None = None,
    connect_to: str = "",
    ca: str = "",
    verify: bool = True,
    timeout_s: float = 3.0,
) -> dict[str, Any]:
    """What the node's ``http`` look takes: for a `HealthProbe`. The look returns ``status`` (0: no answer,
    and ``error`` says why), ``match`` and ``seconds``. Arguments as for `http`."""
    return {"url": url, "match": match, "headers": dict(headers or {}), "connect_to": connect_to, "ca": ca,
            "verify": verify, "timeout_s": timeout_s}  # fmt: skip


def tcp(
    name: str,
    host: str,
    port: int,
    *,
    timeout_s: float = 3.0,
    wait_s: float = 60.0,
    after: Sequence[str] = (),
) -> Resource:
    """``host:port`` takes connections from the node.

    Args:
        name: what that proves; unique among the tcp resources of its node.
        host: address.
        port: TCP port.
        timeout_s: for one attempt.
        wait_s: how long an apply waits for it.
        after: ids of resources that have to be right first.
    """
    args = {"host": host, "port": port, "timeout_s": timeout_s, "wait_s": wait_s}
    return Resource("tcp", name, args, {"open": True}, tuple(after), timeout_s=wait_s + timeout_s + 5)
