"""Proofs that an API does its job on a node: a request with a token, which only the database can answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from quorate.resources.base import Resource
from quorate.services.base import READY_S, Context, Health, HealthProbe, Judgement
from quorate.services.openstack.settings import CA, TOKEN, endpoint


def access(ctx: Context, *, timeout_s: float = 4.0) -> dict[str, Any]:
    """How a node's looks get a token: as ``admin``, from Keystone's virtual IP, its certificate checked."""
    return {
        "url": endpoint(ctx, "keystone") + "/v3",
        "user": "admin",
        "password": str(ctx.secrets.password("keystone-admin")),
        "project": "admin",
        "ca": CA,
        "cache": TOKEN,
        "timeout_s": timeout_s,
    }


def answers(
    ctx: Context, service: str, node: str, path: str, *, port: int, key: str, wait_s: float = READY_S
) -> Resource:
    """A resource: the API of ``service`` on ``node`` answers from its database. Fixing is waiting.

    Args:
        ctx: of the cluster.
        service: for people.
        node: where.
        path: of a cheap question ("/v2/images?limit=1").
        port: on the node.
        key: that the answer's JSON has to have ("images").
        wait_s: how long an apply waits for it.
    """
    args = _question(ctx, node, path, port, key, 5.0) | {"wait_s": wait_s}
    name = f"{service}: answers from its database"
    return Resource("api", name, args, {"found": True}, secret=True, timeout_s=wait_s + 25)


def probe(ctx: Context, service: str, node: str, path: str, *, port: int, key: str, unit: str) -> HealthProbe:
    """The same question for ``status``; ``unit`` is named where the answer is bad."""
    args = _question(ctx, node, path, port, key, 4.0)
    return HealthProbe(service, node, "api", args, partial(judge, unit=unit))


def _question(ctx: Context, node: str, path: str, port: int, key: str, timeout_s: float) -> dict[str, Any]:
    return {
        "url": f"http://{ctx.cluster.address(node)}:{port}{path}",
        "access": access(ctx),
        "key": key,
        "timeout_s": timeout_s,
    }


def judge(state: Mapping[str, Any], *, unit: str) -> Judgement:
    """OK when what was asked for came; unknown where there was no token to ask with."""
    if state.get("found"):
        return Judgement(Health.OK, f"answers from its database, {state.get('ms', '?')} ms")
    reason = state.get("error") or f"answered {state.get('status')}"
    if not state.get("token"):
        return Judgement(
            Health.UNKNOWN, f"cannot be asked: {reason}", "look at keystone first: quorate status"
        )
    return Judgement(
        Health.FAILED, f"does not answer as it should: {reason}", f"journalctl -u {unit} on the node"
    )
