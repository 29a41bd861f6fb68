"""One trip to one node: the agent and the kinds it needs are streamed to ``python3`` there."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from quorate import node as node_package
from quorate.errors import ConnectionLostError, QuorateError, UnreachableError
from quorate.transport.base import Command, Completed, Transport

Answer = Mapping[str, Any]
MARGIN_S = 15.0
"""On top of what the node allows an item: for the trip itself, and for a node that is busy."""
AGENT_LOCK = "/run/quorate/agent.lock"
LOCK_WAIT_S, LOOK_S = 30.0, 75.0
"""Before the first item begins, the agent may wait so long for another agent, and look at everything."""
EXIT_BUSY = 75
"""The agent's exit where another one still mends on the node (sysexits.h EX_TEMPFAIL)."""


async def look(transport: Transport, items: Sequence[Mapping[str, Any]]) -> dict[str, Answer]:
    """Ask the node about ``items`` (id, kind, args, timeout_s). Raises `TransportError`."""
    timeout_s = MARGIN_S + max((item["timeout_s"] for item in items), default=0.0)
    answers: dict[str, Answer] = {}

    def take(line: bytes) -> None:
        answer = _parse(line)
        if "id" in answer:
            answers[answer["id"]] = answer

    command = _command({"op": "look", "items": items}, timeout_s)
    done = await transport.run(command)
    for line in done.stdout.splitlines():
        take(line)
    _finished(transport.node, done)
    return answers


async def fix(
    transport: Transport,
    items: Sequence[Mapping[str, Any]],
    told: Callable[[Answer], None],
    *,
    alone: bool = True,
) -> None:
    """Let the node mend ``items`` in order; ``told`` gets each answer as it comes, ``{"start": id}`` first.

    Args:
        transport: of the node.
        items: id, kind, args, desired, timeout_s.
        told: must be quick and must not raise.
        alone: wait until no other agent mends on that node.

    Raises:
        UnreachableError: nothing was run.
        ConnectionLostError: what has not been told is unknown. Also where the node is silent for longer than
            the item that it is at may take.
    """
    times = {item["id"]: item["timeout_s"] for item in items}
    loop = asyncio.get_running_loop()
    heard = False
    clock = asyncio.timeout(MARGIN_S + LOCK_WAIT_S + LOOK_S)

    def take(line: bytes) -> None:
        nonlocal heard
        heard, answer = True, _parse(line)
        clock.reschedule(loop.time() + MARGIN_S + times.get(answer.get("start", ""), 0.0))
        if "start" in answer or "id" in answer:
            told(answer)

    whole = sum(times.values()) + MARGIN_S * (len(items) + 2)
    try:
        async with clock:
            done = await transport.run(
                _command({"op": "fix", "items": items, "lock": AGENT_LOCK}, whole, take)
            )
    except TimeoutError:
        raise ConnectionLostError(
            "the node fell silent in the middle of a change", where=transport.node
        ) from None
    if not heard:
        for line in done.stdout.splitlines():
            take(line)
    _finished(transport.node, done)


@cache
def _source(name: str) -> str:
    return (Path(node_package.__path__[0]) / f"{name}.py").read_text()


def modules(kinds: Sequence[str]) -> list[tuple[str, str]]:
    """The sources that ``kinds`` need, agent included, each after those that it imports.

    Raises:
        QuorateError: there is no such kind.
    """
    ordered: dict[str, str] = {}

    def add(name: str) -> None:
        if name in ordered:
            return
        try:
            source = _source(name)
        except FileNotFoundError:
            raise QuorateError(f"there is no kind of resource called {name}", where="quorate/node") from None
        for wanted in _imports(source):
            add(wanted)
        ordered[name] = source

    for name in ("agent", *sorted(kinds)):
        add(name)
    return list(ordered.items())


def _imports(source: str) -> list[str]:
    names = []
    for line in source.splitlines():
        words = line.replace(",", " ").split()
        if words[:3] == ["from", "quorate.node", "import"]:
            names += words[3:]
        elif len(words) > 1 and words[0] == "from" and words[1].startswith("quorate.node."):
            names.append(words[1].removeprefix("quorate.node."))
    return names


def _command(
    request: Mapping[str, Any], timeout_s: float, on_line: Callable[[bytes], None] | None = None
) -> Command:
    kinds = sorted({item["kind"] for item in request["items"]})
    payload = zlib.compress(json.dumps({"modules": modules(kinds), "request": request}).encode(), 1)
    argv = ("python3", "-I", "-S", "-B", "-c", _source("boot"))
    return Command(argv, b"%d\n%s" % (len(payload), payload), timeout_s, on_line)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _finished(node: str, done: Completed) -> None:
    """Raise unless the agent said that it came to its end."""
    if done.stdout.rstrip().endswith(b'{"end":true}'):
        return
    words = done.stderr.decode(errors="replace")
    if done.exit in (126, 127):
        step = "install python3 there, or let this account use sudo without a password"
        raise UnreachableError("python3 cannot be run there", where=node, evidence=words, next_step=step)
    if done.exit == EXIT_BUSY:
        step = "wait for it to end, then run this again"
        raise UnreachableError(
            "another apply still changes this node", where=node, evidence=words, next_step=step
        )
    what = f"what looks and mends there died (exit {done.exit}); what it had begun is unknown"
    raise ConnectionLostError(what, where=node, evidence=words)
