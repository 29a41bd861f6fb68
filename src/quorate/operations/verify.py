"""Does the plane do its job for a client outside it? Every service's own proofs, and a verdict on each.

A check has three values. *Pass* and *fail* are answers of the plane. *Unknown* means that nobody asked it
properly: the check itself crashed, or was not tried because one that it builds on did not pass.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from time import monotonic
from typing import Any

from quorate.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNKNOWN, QuorateError
from quorate.events import Event, Kind, Listener, silent
from quorate.home import Home
from quorate.services.base import Context, Outside, VerifyStep

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
    """One proof, tried. ``evidence`` says in a line what was seen; ``seconds`` how long it took."""

    service: str
    title: str
    verdict: Verdict
    evidence: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Verification:
    """All proofs of one run, by service in the order that they were declared."""

    checks: tuple[Check, ...]
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Fail outweighs unknown, unknown outweighs pass; nothing checked is unknown."""
        found = {check.verdict for check in self.checks}
        for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS):
            if verdict in found:
                return verdict
        return Verdict.UNKNOWN

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "verdict": str(self.verdict),
            "seconds": round(self.seconds, 3),
            "checks": [{**asdict(check), "seconds": round(check.seconds, 3)} for check in self.checks],
        }


def outside(ctx: Context, home: Home) -> Outside:
    """What a client of this cluster has."""
    return Outside(ctx.cluster, ctx.secrets, str(home.ca_file), ctx.vips)


def is_answer(error: BaseException) -> bool:
    """Whether ``error`` is what the plane answered (or failed to), and not a crash of the check itself."""
    if isinstance(error, QuorateError | OSError | TimeoutError):
        return True
    return any(kind.__module__.partition(".")[0] in PLANE_ANSWERS for kind in type(error).__mro__)


def one_line(text: str, width: int = 300) -> str:
    """``text`` on one line, cut to ``width`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


async def check(step: VerifyStep, outside: Outside, clock: Callable[[], float] = monotonic) -> Check:
    """Try one proof within its deadline. Never raises, except when cancelled from outside."""
    started = clock()

    def found(verdict: Verdict, evidence: str) -> Check:
        return Check(step.service, step.title, verdict, one_line(evidence), clock() - started)

    try:
        async with asyncio.timeout(step.timeout_s) as deadline:
            evidence = await step.run(outside)
    except Exception as error:  # noqa: BLE001  a check that crashed is unknown, whatever it was
        if deadline.expired():
            return found(Verdict.FAIL, f"no answer within {step.timeout_s:g} s")
        said = str(error) or type(error).__name__
        if is_answer(error):
            return found(Verdict.FAIL, said)
        return found(Verdict.UNKNOWN, f"the check itself crashed: {type(error).__name__}: {said}")
    return found(Verdict.PASS, evidence)


async def verify(steps: Iterable[VerifyStep], outside: Outside, listener: Listener = silent) -> Verification:
    """Try every proof: services at the same time, the proofs of one service in their order.

    Once a proof of a service did not pass, its later ones are unknown and not tried: they build on it.
    """
    started = monotonic()
    by_service: dict[str, list[VerifyStep]] = defaultdict(list)
    for step in steps:
        by_service[step.service].append(step)
    results = await asyncio.gather(*(_service(each, outside, listener) for each in by_service.values()))
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
        result = await check(step, outside)
        checks.append(result)
        passed = result.verdict is Verdict.PASS
        listener(Event(Kind.DONE if passed else Kind.FAILED, subject, result.evidence))
        broken = "" if passed else step.title
    return checks
