"""A proof's three values, their order, and their deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quorate.errors import QuorateError
from quorate.events import Event
from quorate.operations.verify import EXIT_CODES, Check, Verdict, Verification, check, verify
from quorate.services.base import Outside, VerifyStep

OUTSIDE = cast(Outside, None)


def step(
    title: str, outcome: str | BaseException, service: str = "keystone", timeout_s: float = 5.0
) -> VerifyStep:
    async def run(outside: Outside) -> str:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return VerifyStep(service, title, run, timeout_s)


async def never(outside: Outside) -> str:
    await asyncio.Event().wait()
    return "unreachable"


def foreign(module: str) -> Exception:
    """An exception whose class lives in ``module``."""
    kind: Any = type("ClientError", (Exception,), {"__module__": module})
    return cast(Exception, kind("said no"))


async def test_a_proof_passes_with_its_evidence() -> None:
    result = await check(step("issue a token", "token in 21 ms"), OUTSIDE)
    assert (result.verdict, result.evidence) == (Verdict.PASS, "token in 21 ms")


@pytest.mark.parametrize(
    "error",
    [
        QuorateError("401"),
        ConnectionRefusedError("refused"),
        TimeoutError("slow"),
        foreign("aiohttp.client_exceptions"),
        foreign("pymysql.err"),
        foreign("aiormq.exceptions"),
    ],
)
async def test_what_the_plane_answers_is_a_fail(error: Exception) -> None:
    assert (await check(step("x", error), OUTSIDE)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "error", [TypeError("int"), KeyError("token"), AssertionError("?"), foreign("aiohttpish")]
)
async def test_a_crash_of_the_proof_itself_is_unknown_and_never_a_pass(error: Exception) -> None:
    result = await check(step("x", error), OUTSIDE)
    assert result.verdict is Verdict.UNKNOWN
    assert type(error).__name__ in result.evidence


async def test_no_answer_within_the_deadline_is_a_fail_that_says_so() -> None:
    result = await check(VerifyStep("keystone", "x", never, timeout_s=0.02), OUTSIDE)
    assert result.verdict is Verdict.FAIL
    assert "0.02 s" in result.evidence


async def test_being_cancelled_is_not_swallowed() -> None:
    task = asyncio.create_task(check(VerifyStep("keystone", "x", never), OUTSIDE))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_builds_on_a_broken_proof_is_unknown_and_other_services_are_still_asked() -> None:
    heard: list[Event] = []
    found = await verify(
        [
            step("one", "fine"),
            step("two", OSError("no")),
            step("three", "fine"),
            step("four", "fine", "galera"),
        ],
        OUTSIDE,
        heard.append,
    )
    assert [(each.title, each.verdict) for each in found.checks] == [
        ("one", Verdict.PASS),
        ("two", Verdict.FAIL),
        ("three", Verdict.UNKNOWN),
        ("four", Verdict.PASS),
    ]
    assert "two" in found.checks[2].evidence
    assert not any("three" in event.subject for event in heard)


async def test_the_logs_of_a_request_that_failed_come_with_the_proof() -> None:
    request = "req-91a46629-9fe4-4569-a333-89b730ef49d8"

    async def ask(node: str, kind: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        return {"lines": [f"cinder-api says why of {args['ids'][0]}"]}

    outside = cast(Outside, SimpleNamespace(ask=ask, cluster=SimpleNamespace(nodes=("c1",))))
    found = await verify([step("make a volume", QuorateError(f"answered 500 ({request})"))], outside)
    assert found.checks[0].details == (f"c1 cinder-api says why of {request}",)


async def test_services_are_asked_at_the_same_time() -> None:
    met = asyncio.Barrier(2)

    async def meet(outside: Outside) -> str:
        await met.wait()
        return "met"

    steps = [VerifyStep(service, "meet", meet, timeout_s=2) for service in ("galera", "rabbitmq")]
    assert (await verify(steps, OUTSIDE)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("verdicts", "expected", "exit_code"),
    [
        ("pass pass", "pass", 0),
        ("pass fail", "fail", 1),
        ("fail unknown", "fail", 1),
        ("pass unknown", "unknown", 2),
        ("", "unknown", 2),
    ],
)
def test_the_verdict_of_all(verdicts: str, expected: str, exit_code: int) -> None:
    found = Verification(tuple(Check("s", "t", Verdict(each), "") for each in verdicts.split()))
    assert found.verdict == expected
    assert EXIT_CODES[found.verdict] == exit_code
    assert found.as_json()["verdict"] == expected
