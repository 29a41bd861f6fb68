"""Does the plane do its job for a client outside it? Every service's own proofs, and a verdict on each.

A check has three values. *Pass* and *fail* are answers of the plane. *Unknown* means that nobody asked it
properly: the check itself crashed, or was not tried because one that it builds on did not pass.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from quorate.engine.look import Question, look
from quorate.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNKNOWN, LabError, PreconditionError, QuorateError
from quorate.events import Event, Kind, Listener, silent
from quorate.home import Home
from quorate.resources.base import State
from quorate.services.base import Ask, Context, Outside, VerifyStep
from quorate.transport.base import Connect

AT_ONCE = 4
"""Services that are tried at the same time: all at once, on a small plane, they would be a load test."""
PLANE_ANSWERS = frozenset({"aio_pika", "aiohttp", "aiomysql", "aiormq", "pamqp", "pymysql"})
"""Client libraries whose exceptions are the plane's answer: refused, reset, wrong certificate or password."""


class Verdict(StrEnum):
    """What a check found."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


EXIT_CODES = {Verdict.PASS: EXIT_PASS, Verdict.FAIL: EXIT_FAIL, Verdict.UNKNOWN: EXIT_UNKNOWN}


@dataclass(frozen=True)
class Check:
    """One proof, or one step of a tenant's day, tried.

    Args:
        service: whose it is.
        title: what was tried.
        verdict: what came of it.
        evidence: in a line, what was seen.
        seconds: how long it took.
        details: where it did not pass, lines that show why: what was answered, and what the logs say.
    """

    service: str
    title: str
    verdict: Verdict
    evidence: str
    seconds: float = 0.0
    details: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


S = TypeVar("S", VerifyStep, Check)


@dataclass(frozen=True)
class Verification:
    """One run.

    Args:
        checks: all proofs, by service in the order that they were declared.
        seconds: how long all of it took.
        day: the steps of a tenant's day, in their order; none where there was no day.
    """

    checks: tuple[Check, ...]
    seconds: float = 0.0
    day: tuple[Check, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Fail outweighs unknown, unknown outweighs pass; nothing checked is unknown."""
        found = {check.verdict for check in (*self.checks, *self.day)}
        for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS):
            if verdict in found:
                return verdict
        return Verdict.UNKNOWN

    def with_newer(self, newer: Verification) -> Verification:
        """This one, with what ``newer`` found of the services that it tried, in this one's order."""
        mine, its = (_by_service(each.checks) for each in (self, newer))
        checks = tuple(check for checks in {**mine, **its}.values() for check in checks)
        return replace(self, checks=checks, seconds=self.seconds + newer.seconds)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "verdict": str(self.verdict),
            "seconds": round(self.seconds, 3),
            "checks": [check.as_json() for check in self.checks],
            "day": [check.as_json() for check in self.day],
        }


def _by_service(each: Iterable[S]) -> dict[str, list[S]]:
    """``each`` by its service, in the order in which services come."""
    found: dict[str, list[S]] = defaultdict(list)
    for one in each:
        found[one.service].append(one)
    return found


def outside(
    ctx: Context,
    home: Home,
    connect: Connect | None = None,
    guest: Callable[[], Awaitable[Path]] | None = None,
) -> Outside:
    """What a client of this cluster has.

    Args:
        ctx: of the platform.
        home: the cluster's folder, with its CA.
        connect: a way to ask on a node, for proofs that need one.
        guest: where the image of a tenant's server is.
    """
    asking = asker(connect) if connect is not None else None
    return Outside(ctx.cluster, ctx.secrets, str(home.ca_file), ctx.vips, asking, guest)


def asker(connect: Connect) -> Ask:
    """Asks a node one thing, for proofs that only a client on a node can make."""

    async def ask(node: str, kind: str, args: Mapping[str, Any], timeout_s: float) -> State:
        (answer,) = await look(connect, [Question(node, kind, args, timeout_s)])
        if answer.state is None:
            raise QuorateError(answer.error, where=node, evidence=answer.evidence)
        return answer.state

    return ask


def is_answer(error: BaseException) -> bool:
    """Whether ``error`` is what the plane answered (or failed to), and not a crash of the check itself."""
    if isinstance(error, QuorateError | OSError | TimeoutError):
        return True
    return any(kind.__module__.partition(".")[0] in PLANE_ANSWERS for kind in type(error).__mro__)


def verdict_of(error: QuorateError) -> Verdict:
    """Unknown where this host could not do its part of the proof, so that the plane was not asked."""
    return Verdict.UNKNOWN if isinstance(error, PreconditionError | LabError) else Verdict.FAIL


def one_line(text: str, width: int = 300) -> str:
    """``text`` on one line, cut to ``width`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


async def check(step: VerifyStep, outside: Outside, clock: Callable[[], float] = monotonic) -> Check:
    """Try one proof within its deadline. Never raises, except when cancelled from outside."""
    started = clock()

    def found(verdict: Verdict, evidence: str, details: str = "") -> Check:
        lines = tuple(details.strip().splitlines())
        return Check(step.service, step.title, verdict, one_line(evidence), clock() - started, lines)

    try:
        async with asyncio.timeout(step.timeout_s) as deadline:
            evidence = await step.run(outside)
    except Exception as error:  # noqa: BLE001  a check that crashed is unknown, whatever it was
        if deadline.expired():
            return found(Verdict.FAIL, f"no answer within {step.timeout_s:g} s")
        if isinstance(error, QuorateError):
            said = f"{error.where}: {error.what}" if error.where else error.what
            return found(verdict_of(error), said, error.evidence)
        said = str(error) or type(error).__name__
        if is_answer(error):
            return found(Verdict.FAIL, said)
        return found(Verdict.UNKNOWN, f"the check itself crashed: {type(error).__name__}: {said}")
    return found(Verdict.PASS, evidence)


async def verify(steps: Iterable[VerifyStep], outside: Outside, listener: Listener = silent) -> Verification:
    """Try every proof: a few services at the same time, the proofs of one service in their order.

    Once a proof of a service did not pass, its later ones are unknown and not tried: they build on it.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def prove(each: Sequence[VerifyStep]) -> list[Check]:
        async with gate:
            return await _service(each, outside, listener)

    started = monotonic()
    results = await asyncio.gather(*(prove(each) for each in _by_service(steps).values()))
    return Verification(tuple(check for checks in results for check in checks), monotonic() - started)


async def _service(steps: Sequence[VerifyStep], outside: Outside, listener: Listener) -> list[Check]:
    checks: list[Check] = []
    broken = ""
    for step in steps:
        subject = f"verify {step.service}: {step.title}"
        if broken:
            checks.append(
                Check(step.service, step.title, Verdict.UNKNOWN, f"not tried: “{broken}” did not pass")
            )
            continue
        listener(Event(Kind.STARTED, subject))
        result = await _explained(await check(step, outside), outside)
        checks.append(result)
        passed = result.verdict is Verdict.PASS
        listener(Event(Kind.DONE if passed else Kind.FAILED, subject, result.evidence))
        broken = "" if passed else step.title
    return checks


async def _explained(result: Check, outside: Outside) -> Check:
    """``result``; where it did not pass and names requests, with what the nodes' journals say about them."""
    from quorate.operations.day import logs, requests  # it is made of checks itself

    ids = [] if result.verdict is Verdict.PASS else requests(result.evidence, ())
    if not ids:
        return result
    return replace(result, details=(*result.details, *await logs(outside, ids, result.seconds)))
