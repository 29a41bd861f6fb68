"""A tenant's day: the steps that the services bring, one after the other, and everything gone in the evening.

A step that does not pass takes with it what builds on it; the evening is tried whatever happened before. What
went wrong is shown with the log lines of the requests that the step made, from every node that can be asked.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby

from quorate.errors import QuorateError
from quorate.events import Event, Kind, Listener, silent
from quorate.operations.verify import Check, Verdict, check
from quorate.services.base import Outside, VerifyStep
from quorate.services.day.contract import Day, Hour, Step, fresh_name

REQUEST = re.compile(r"\b(?:req-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|tx[0-9a-f]{21}-[0-9a-f]{10})")
"""Ids of requests, as OpenStack's services make them (oslo.context) and Swift does (swift/common/utils)."""
LATEST = 4
"""Requests of a step that are looked for, besides those that the error names."""
LOG_KIND = "journal"
LOG_S, BEFORE_S = 12.0, 20
"""To read a node's journal; and how much earlier than the step a line may be, as clocks differ."""
LINES = 10
"""Of all nodes together, for one step."""
AFTER_ALL = "interrupted: clearing the tenant's day away"
EVENING_S = 120.0
"""After Ctrl-C, how long it may take to clear away."""


def planned(steps: Iterable[Step]) -> list[Step]:
    """The steps of a cluster's day in their order, without those that need what none of its services gives.

    A day with nothing in it but an account is none.
    """
    left = sorted(steps, key=lambda step: step.hour)
    while True:
        given = {what for step in left for what in step.gives}
        kept = [step for step in left if given.issuperset(step.needs)]
        if len(kept) == len(left):
            break
        left = kept
    if any(Hour.ACCOUNT < step.hour < Hour.SERVERS_AWAY for step in left):
        return left
    return []


async def live(
    steps: Sequence[Step], outside: Outside, listener: Listener = silent, name: str = ""
) -> tuple[Check, ...]:
    """Live one day: try every step of ``steps`` (`planned`), and clear away.

    Cancelled, it still clears away, and then ends as cancelled.

    Args:
        steps: in their order.
        outside: where the cloud is, with a way to its nodes and the image of a server.
        listener: is told how it goes.
        name: of the day; a new one where empty.
    """
    async with AsyncExitStack() as stack:
        evening = [step for step in steps if step.hour.evening]

        async def clear(day: Day) -> list[str]:
            found = await _Run(day, evening, silent, passed=set(day.accounts)).all()
            return [f"{one.title}: {one.evidence}" for one in found if one.verdict is not Verdict.PASS]

        day = Day(outside, name or fresh_name(), stack, clear)
        run = _Run(day, steps, listener)
        try:
            return tuple(await run.all())
        except asyncio.CancelledError:
            listener(Event(Kind.STARTED, AFTER_ALL))
            try:
                async with asyncio.timeout(EVENING_S):
                    rest = await clear(day)
            except TimeoutError:
                rest = [f"not within {EVENING_S:g} s: the next day will"]
            listener(Event(Kind.FAILED if rest else Kind.DONE, AFTER_ALL, "; ".join(rest)))
            raise


@dataclass
class _Run:
    """Steps being tried.

    Args:
        day: whose they are.
        steps: in their order.
        listener: is told how it goes.
        passed: what is there.
        found: what came of the steps so far.
    """

    day: Day
    steps: Sequence[Step]
    listener: Listener
    passed: set[str] = field(default_factory=set)
    found: list[tuple[Step, Check]] = field(default_factory=list)

    async def all(self) -> list[Check]:
        """Hour by hour; in an hour all services at the same time, the steps of each in their order."""
        for _, hour in groupby(self.steps, key=lambda step: step.hour):
            by_service: dict[str, list[Step]] = {}
            for step in hour:
                by_service.setdefault(step.service, []).append(step)
            for tried in await asyncio.gather(*(self._service(each) for each in by_service.values())):
                self.found += tried
        return [check for _, check in self.found]

    async def _service(self, steps: Sequence[Step]) -> list[tuple[Step, Check]]:
        tried = []
        for step in steps:
            reason = self._hindrance(step)
            if reason:
                result = Check(step.service, step.title, Verdict.UNKNOWN, f"not tried: {reason}")
            else:
                result = await self._try(step)
            if result.verdict is Verdict.PASS:
                self.passed.update(step.gives)
            tried.append((step, result))
        return tried

    def _hindrance(self, step: Step) -> str:
        """Why ``step`` cannot be tried, in words; empty where it can."""
        late = step.hour >= Hour.SERVERS_AWAY
        for need in step.needs:
            # What was only half made has to go as well, and be gone.
            if need not in self.passed and not (late and need in (*self.day.made, *self.day.accounts)):
                return f"“{self._giver(need)}” did not pass"
        if step.hour is Hour.CLOSE:
            for before, result in self.found:
                if before.hour.evening and result.verdict is not Verdict.PASS:
                    return f"“{before.title}” did not pass, and what is left is found by the account"
        return ""

    def _giver(self, need: str) -> str:
        return next((step.title for step in self.steps if need in step.gives), need)

    async def _try(self, step: Step) -> Check:
        subject = f"day: {step.service}: {step.title}"
        self.listener(Event(Kind.STARTED, subject))
        seen = replace(self.day, requests=[], request=f"req-{uuid.uuid4()}")

        async def run(_: Outside) -> str:
            return await step.run(seen)

        result = await check(VerifyStep(step.service, step.title, run, step.timeout_s), self.day.outside)
        if result.verdict is Verdict.PASS:
            self.listener(Event(Kind.DONE, subject, result.evidence))
            return result
        self.listener(Event(Kind.FAILED, subject, result.evidence))
        ids = [*requests(result.evidence, seen.requests), seen.request]
        named = f"requests: {', '.join(ids)}"
        lines = await logs(self.day.outside, ids, result.seconds)
        return replace(result, details=(*result.details, named, *lines))


def requests(said: str, made: Sequence[str]) -> list[str]:
    """The ids of requests that an error names, then the last ones of its step; each once.

    Args:
        said: the error.
        made: ids of the requests that the step made, oldest first.
    """
    return list(dict.fromkeys([*REQUEST.findall(said), *made[-LATEST:]]))


async def logs(outside: Outside, ids: Sequence[str], seconds: float) -> list[str]:
    """What the nodes' journals say about requests. A node that cannot be asked is named, and is no error.

    Args:
        outside: with a way to the nodes; none: nothing is found.
        ids: of the requests.
        seconds: how long ago the first of them was made at the most.
    """
    ask = outside.ask
    if ask is None or not ids:
        return []
    args = {"ids": list(ids), "since_s": int(seconds) + BEFORE_S, "lines": LINES, "timeout_s": LOG_S}

    async def one(node: str) -> list[str]:
        try:
            return [f"{node} {line}" for line in (await ask(node, LOG_KIND, args, LOG_S + 3))["lines"]]
        except QuorateError as error:
            return [f"{node}: its log cannot be read: {error.what}"]

    each = await asyncio.gather(*map(one, outside.cluster.nodes))
    return list(_in_turn(each, LINES))


def _in_turn(lists: Sequence[Sequence[str]], most: int) -> Iterator[str]:
    """At most ``most`` lines, of each list alike many, list by list."""
    room, rest = most, sorted(range(len(lists)), key=lambda index: len(lists[index]))
    kept: dict[int, int] = {}
    for position, index in enumerate(rest):
        kept[index] = min(len(lists[index]), room // (len(rest) - position))
        room -= kept[index]
    for index, lines in enumerate(lists):
        yield from lines[: kept[index]]
