"""Making it so: stage by stage, all nodes of a stage at the same time, each fix looked at again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from quorate.engine import trip
from quorate.engine.lock import held
from quorate.engine.look import AT_ONCE, look
from quorate.engine.order import Work, arrange
from quorate.engine.plan import Plan, differences, make_plan, question, redacted
from quorate.engine.report import Outcome, Report, Result
from quorate.errors import ApplyError, ConnectionLostError, PreconditionError, TransportError
from quorate.events import Event, Kind, Listener, silent
from quorate.node.tools import differing
from quorate.resources.base import Desired, Resource
from quorate.transport.base import Connect


async def apply(
    desired: Desired,
    connect: Connect,
    *,
    lock_on: Sequence[str] = (),
    listener: Listener = silent,
    expect: str = "",
    command: str = "apply",
) -> Report:
    """Look, and mend what differs. With nothing to do, that is one trip a node.

    Args:
        desired: what should be.
        connect: how to reach the nodes.
        lock_on: nodes that hold the cluster's lock meanwhile, normally controllers; empty: no lock.
        listener: told how far it is.
        expect: the hash of the plan that was shown, or its beginning (8 digits at least), or be refused.
        command: what the lock says is being done.

    Returns:
        The outcome of every resource it came to. A failed or unknown one ends the apply after its stage;
        nothing is raised for it here (`Report.check` does).

    Raises:
        PreconditionError: a node cannot be reached; nothing was changed.
        ApplyError: the plan is not the expected one, or somebody else has the lock; nothing was changed.
    """
    begun = time.monotonic()
    listener(Event(Kind.STARTED, "look", f"{len({one.node for one in desired})} nodes"))
    plan = await make_plan(desired, connect)
    _refuse(plan, expect)
    listener(Event(Kind.DONE, "look", f"{len(plan.steps)} of {len(desired)} resources differ"))
    if plan.empty:
        return Report(plan.hash, seconds=time.monotonic() - begun)
    works = arrange(desired)
    first = min(step.stage for step in plan.steps)
    results: list[Result] = []
    async with AsyncExitStack() as stack:
        if lock_on:
            await stack.enter_async_context(held(connect, lock_on, command))
            if expect:
                _refuse(await make_plan(desired, connect), expect)
        todo = [work for work in works if work.stage >= first]
        while todo:
            work = todo.pop(0)
            done = await _Stage(work, connect, listener).run()
            results += done
            if any(one.outcome in (Outcome.FAILED, Outcome.UNKNOWN) for one in done):
                break
    left = tuple(work.stage for work in todo)
    return Report(plan.hash, tuple(results), left, time.monotonic() - begun)


def _refuse(plan: Plan, expect: str) -> None:
    if plan.unreachable:
        words = "\n".join(str(error) for error in plan.unreachable.values())
        names = ", ".join(plan.unreachable)
        step = "bring it back, or take it out of cluster.yaml; then run this again"
        raise PreconditionError(
            f"{names} cannot be looked at; nothing was changed", evidence=words, next_step=step
        )
    if expect and not (len(expect) >= 8 and plan.hash.startswith(expect)):
        what = f"the plan is no longer {expect[:12]}: the nodes or the files moved since it was shown"
        raise ApplyError(
            what, evidence=f"it is {plan.hash[:12]} now", next_step="look at it again: quorate plan"
        )


class _Stage:
    """One stage on all its nodes."""

    def __init__(self, work: Work, connect: Connect, listener: Listener) -> None:
        self.work, self.connect, self.listener = work, connect, listener
        self.subject = f"apply {work.stage.name.lower()}"
        self.total = sum(len(work.on(node)) for node in work.nodes)
        self.results: dict[tuple[str, str], Result] = {}

    async def run(self) -> list[Result]:
        """Do it; one result a resource, in the order of nodes and resources."""
        begun = time.monotonic()
        self.listener(
            Event(Kind.STARTED, self.subject, f"{self.total} resources, {len(self.work.nodes)} nodes")
        )
        gate = asyncio.Semaphore(AT_ONCE)

        async def visit(node: str, resources: Sequence[Resource]) -> None:
            async with gate:
                await self._mend(node, resources)

        await asyncio.gather(*(visit(node, resources) for node, resources in self.work.together.items()))
        if self.work.one_by_one:
            await self._one_by_one()
        results = [self._result(node, one) for node in self.work.nodes for one in self.work.on(node)]
        bad = self._bad()
        changed = sum(one.outcome is Outcome.CHANGED for one in results)
        text = f"{changed} changed, {time.monotonic() - begun:.1f} s"
        if bad:
            text = "; ".join(f"{one.node}: {one.id} {one.outcome}: {one.text}" for one in bad)
        self.listener(Event(Kind.FAILED if bad else Kind.DONE, self.subject, text))
        return results

    async def _one_by_one(self) -> None:
        """Look at the serial ones everywhere, then mend node by node; the first that fails ends it."""
        if self._bad():
            return
        pairs = [(node, one) for node, resources in self.work.one_by_one.items() for one in resources]
        answers = await look(self.connect, [question(node, one) for node, one in pairs])
        right = {
            node: all(
                answer.state is not None and not differing(one.desired, answer.state)
                for (where, one), answer in zip(pairs, answers, strict=True)
                if where == node
            )
            for node in self.work.one_by_one
        }
        for node, resources in self.work.one_by_one.items():
            if right[node]:
                for one in resources:
                    self._note(node, one, Outcome.OK)
                continue
            await self._mend(node, resources)
            if self._bad():
                return

    async def _mend(self, node: str, resources: Sequence[Resource]) -> None:
        by_id = {one.id: one for one in resources}
        items = [
            {
                "id": one.id,
                "kind": one.kind,
                "args": one.args,
                "desired": one.desired,
                "timeout_s": one.timeout_s,
            }
            for one in resources
        ]

        def told(answer: Mapping[str, Any]) -> None:
            if "start" in answer:
                fraction = len(self.results) / self.total
                self.listener(Event(Kind.PROGRESS, self.subject, f"{node}: {answer['start']}", fraction))
            else:
                self._take(node, by_id[answer["id"]], answer)

        try:
            await trip.fix(self.connect(node), items, told)
        except TransportError as error:
            lost = isinstance(error, ConnectionLostError)
            outcome = Outcome.UNKNOWN if lost else Outcome.FAILED
            for one in resources:
                if (node, one.id) not in self.results:
                    self._note(node, one, outcome, error.what, error.evidence)

    def _take(self, node: str, one: Resource, answer: Mapping[str, Any]) -> None:
        outcome = Outcome(answer["outcome"])
        text = redacted(one, answer.get("error", ""))
        if outcome is Outcome.CHANGED:
            text = ", ".join(d.key for d in differences(one, answer["before"])) or "content"
        evidence = redacted(one, answer.get("evidence", ""))
        self._note(node, one, outcome, text, evidence, answer.get("seconds", 0.0))

    def _note(
        self,
        node: str,
        one: Resource,
        outcome: Outcome,
        text: str = "",
        evidence: str = "",
        seconds: float = 0.0,
    ) -> None:
        self.results[node, one.id] = Result(self.work.stage, node, one.id, outcome, text, evidence, seconds)

    def _result(self, node: str, one: Resource) -> Result:
        found = self.results.get((node, one.id))
        return found or Result(self.work.stage, node, one.id, Outcome.SKIPPED, "an earlier one failed")

    def _bad(self) -> list[Result]:
        return [r for r in self.results.values() if r.outcome in (Outcome.FAILED, Outcome.UNKNOWN)]
