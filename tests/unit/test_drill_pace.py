"""The pacer keeps its schedule whatever the service does, and calls a write's outcome by its right name."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import pytest

from quorate.drill.contract import Attempt, Workload
from quorate.drill.model import Outcome, Phase, Request
from quorate.drill.outages import client_lateness
from quorate.drill.pace import Pacer

Does = Callable[[Attempt], Awaitable[None]]


def workload(does: Does, *, writing: bool = False, deadline: float = 0.3) -> Workload:
    class Scripted(Workload):
        name, summary, service = "scripted", "", "none"
        writes, deadline_s = writing, deadline

        def __init__(self) -> None:
            pass

        async def open(self) -> None:
            return

        async def request(self, attempt: Attempt) -> None:
            await does(attempt)

    return Scripted()


async def drive(what: Workload, rate: float = 50, seconds: float = 0.4) -> list[Request]:
    done: list[Request] = []
    pacer = Pacer(what, rate, time.monotonic, lambda: Phase.FAULT, done.append)
    running = asyncio.create_task(pacer.run())
    await asyncio.sleep(seconds)
    pacer.stop()
    await running
    return sorted(done, key=lambda request: request.number)


async def hang(attempt: Attempt) -> None:
    await asyncio.Event().wait()


async def test_the_schedule_does_not_wait_for_replies() -> None:
    """A service that answers nothing for its whole deadline is asked just as often."""
    done = await drive(workload(hang))
    assert 18 <= len(done) <= 21
    assert [request.number for request in done] == list(range(len(done)))
    gaps = [later.scheduled - earlier.scheduled for earlier, later in itertools.pairwise(done)]
    assert all(gap == pytest.approx(0.02) for gap in gaps)
    assert client_lateness(done) < 0.05
    assert {request.outcome for request in done} == {Outcome.FAILED}
    assert all("no answer within" in request.error for request in done)
    assert all(0.29 < request.done - request.sent < 0.5 for request in done)


async def test_late_is_failed() -> None:
    async def slow(attempt: Attempt) -> None:
        await asyncio.sleep(0.1 if attempt.number % 2 else 0)

    done = await drive(workload(slow, deadline=0.05))
    assert all(request.ok == (request.number % 2 == 0) for request in done)


@pytest.mark.parametrize(
    ("writing", "sends", "expected"),
    [(True, True, Outcome.UNKNOWN), (True, False, Outcome.FAILED), (False, True, Outcome.FAILED)],
)
async def test_a_write_that_left_and_failed_is_unknown(writing: bool, sends: bool, expected: Outcome) -> None:
    async def die(attempt: Attempt) -> None:
        attempt.sent = sends
        raise ConnectionResetError("reset by peer")

    done = await drive(workload(die, writing=writing), seconds=0.1)
    assert {request.outcome for request in done} == {expected}
    assert done[0].error == "ConnectionResetError: reset by peer"


async def test_what_is_in_flight_is_waited_for_and_recorded() -> None:
    async def slow(attempt: Attempt) -> None:
        await asyncio.sleep(0.2)

    done = await drive(workload(slow), seconds=0.05)
    assert done
    assert all(request.ok for request in done)


async def test_cancelling_leaves_nothing_behind() -> None:
    done: list[Request] = []
    pacer = Pacer(
        workload(hang, writing=True, deadline=60), 50, time.monotonic, lambda: Phase.FAULT, done.append
    )
    running = asyncio.create_task(pacer.run())
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(asyncio.all_tasks()) == 1
    assert [request.error for request in done] == ["cancelled"] * len(done) != []
