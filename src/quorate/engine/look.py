"""Looking: one trip a node, all nodes at the same time, an answer for every question whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quorate.engine import trip
from quorate.errors import ConnectionLostError, TransportError, UnreachableError
from quorate.resources.base import State
from quorate.transport.base import Connect

LOOK_S = 20.0
"""How long one look may take on the node."""
AT_ONCE = 16
"""Nodes that are talked to at the same time."""
STALE_S = 1.0
"""A kept connection that dies sooner than this had been dead before: a look is asked again once."""


@dataclass(frozen=True)
class Question:
    """What to look at, and where."""

    node: str
    kind: str
    args: Mapping[str, Any] = field(repr=False)
    timeout_s: float = LOOK_S


@dataclass(frozen=True)
class Answer:
    """What a look found, or why it could not be made.

    Args:
        question: what was asked.
        state: what the node said; None where it could not be looked at.
        error: one sentence, where ``state`` is None.
        evidence: raw lines that show it.
        reached: whether the node was talked to at all.
    """

    question: Question
    state: State | None = None
    error: str = ""
    evidence: str = ""
    reached: bool = True
    transport_error: TransportError | None = field(default=None, repr=False, compare=False)


async def look(connect: Connect, questions: Iterable[Question]) -> list[Answer]:
    """Answer every question, in their order. Never raises for a node: what went wrong is in its answers."""
    asked = list(questions)
    by_node: dict[str, list[int]] = {}
    for index, question in enumerate(asked):
        by_node.setdefault(question.node, []).append(index)
    answers: dict[int, Answer] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def visit(node: str, indices: Sequence[int]) -> None:
        async with gate:
            mine = await _visit(connect, node, [asked[index] for index in indices])
            answers.update(zip(indices, mine, strict=True))

    await asyncio.gather(*(visit(node, indices) for node, indices in by_node.items()))
    return [answers[index] for index in range(len(asked))]


async def _visit(connect: Connect, node: str, questions: Sequence[Question]) -> list[Answer]:
    items = [
        {"id": str(number), "kind": one.kind, "args": one.args, "timeout_s": one.timeout_s}
        for number, one in enumerate(questions)
    ]
    transport = connect(node)
    try:
        begun = time.monotonic()
        try:
            found = await trip.look(transport, items)
        except ConnectionLostError:
            if time.monotonic() - begun > STALE_S:
                raise
            found = await trip.look(transport, items)
    except TransportError as error:
        reached = not isinstance(error, UnreachableError)
        return [Answer(one, None, error.what, error.evidence, reached, error) for one in questions]
    answers = []
    for number, one in enumerate(questions):
        answer = found.get(str(number), {"error": "the node did not say"})
        answers.append(Answer(one, answer.get("state"), answer.get("error", ""), answer.get("evidence", "")))
    return answers
