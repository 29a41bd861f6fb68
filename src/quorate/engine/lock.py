"""The cluster's lock: one operator at a time. A folder on each controller, put there by one rename."""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from quorate.engine import trip
from quorate.engine.look import Question, look
from quorate.errors import ApplyError, PreconditionError, TransportError, UnreachableError
from quorate.transport.base import Connect

PATH = "/run/quorate/lock"
"""On /run: a node that lost power has forgotten it."""
LOCK_S = 10.0

Holder = Mapping[str, Any]


def myself(command: str) -> dict[str, Any]:
    """Who we are, since when, doing what. ``token`` tells two takings of the same process apart."""
    return {"user": getpass.getuser(), "host": socket.gethostname(), "pid": os.getpid(), "since": time.time(),
            "command": command, "token": secrets.token_hex(8)}  # fmt: skip


@asynccontextmanager
async def held(
    connect: Connect, nodes: Sequence[str], command: str, *, path: str = PATH
) -> AsyncIterator[None]:
    """Hold the lock on every reachable one of ``nodes``, a majority at least; always let it go.

    Raises:
        ApplyError: somebody else has it. The message says who, since when, and how to break it.
        PreconditionError: fewer than a majority of the nodes can be reached.
    """
    me = myself(command)
    taken: list[str] = []
    try:
        unreachable: list[UnreachableError] = []

        async def take(node: str) -> None:
            taken.append(node)
            try:
                await _take(connect, node, me, path)
            except UnreachableError as error:
                taken.remove(node)
                unreachable.append(error)

        left = list(nodes)
        while left and not taken:
            # The first one that answers decides between two operators; once it is ours, the rest go together.
            await take(left.pop(0))
        for outcome in await asyncio.gather(*(take(node) for node in left), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        if len(taken) * 2 <= len(nodes):
            words = "\n".join(str(error) for error in unreachable)
            what = f"the lock needs a majority of {', '.join(nodes)}, and too few can be reached"
            raise PreconditionError(what, evidence=words, next_step="bring them back, then run this again")
        yield
    finally:
        # Ctrl-C must not leave the lock behind: letting go is finished even when we are being cancelled.
        await asyncio.shield(asyncio.gather(*(_release(connect, node, me, path) for node in reversed(taken))))


async def holders(connect: Connect, nodes: Sequence[str], *, path: str = PATH) -> dict[str, Holder]:
    """Who has the lock, by node; nodes without one, or out of reach, are left out."""
    answers = await look(connect, [Question(node, "lock", {"path": path}, LOCK_S) for node in nodes])
    return {a.question.node: a.state["holder"] for a in answers if a.state and a.state["holder"]}


async def break_lock(connect: Connect, nodes: Sequence[str], *, path: str = PATH) -> dict[str, Holder]:
    """Remove the lock whoever has it; returns who had it, by node. Raises `TransportError`, `ApplyError`."""
    found = await holders(connect, nodes, path=path)
    for node in found:
        await _fix(connect, node, {"path": path}, None)
    return found


def describe(holder: Holder, now: float | None = None) -> str:
    """Who, since when, doing what; and whether it seems to be gone."""
    minutes = ((time.time() if now is None else now) - float(holder["since"])) / 60
    age = f"{minutes:.0f} minutes" if minutes >= 1 else "less than a minute"
    who = f"{holder['user']}@{holder['host']} (process {holder['pid']}), for {age}: {holder['command']}"
    if holder["host"] == socket.gethostname() and not _alive(int(holder["pid"])):
        who += "; that process no longer runs"
    return who


async def _take(connect: Connect, node: str, me: Holder, path: str) -> None:
    try:
        await _fix(connect, node, {"path": path}, me)
    except ApplyError as error:
        found = (await holders(connect, [node], path=path)).get(node)
        if found is None:
            raise
        step = "wait for it; or, if it is certainly dead: quorate unlock"
        raise ApplyError(
            "somebody else is changing this cluster", where=node, evidence=describe(found), next_step=step
        ) from error


async def _release(connect: Connect, node: str, me: Holder, path: str) -> None:
    try:
        await _fix(connect, node, {"path": path, "only": me}, None)
    except (TransportError, ApplyError):
        return  # out of reach: the lock is explained to whoever meets it, and `quorate unlock` removes it


async def _fix(connect: Connect, node: str, args: Mapping[str, Any], holder: Holder | None) -> None:
    item = {"id": "lock", "kind": "lock", "args": args, "desired": {"holder": holder}, "timeout_s": LOCK_S}
    answers: list[trip.Answer] = []
    await trip.fix(connect(node), [item], answers.append, alone=False)
    last = answers[-1]
    if last["outcome"] not in ("ok", "changed"):
        raise ApplyError(last["error"], where=node, evidence=last.get("evidence", ""))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
