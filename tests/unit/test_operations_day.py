"""A tenant's day: which steps it has, what a failure takes with it, and that the evening always comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quorate.errors import PreconditionError, QuorateError
from quorate.events import Event
from quorate.operations import day as days
from quorate.operations.verify import Check, Verdict
from quorate.services.base import Outside
from quorate.services.day.contract import ADMINISTRATOR, TENANT, Day, Hour, Step

REQUEST = "req-0b1f9bcd-8a5c-4ec5-b51f-5d0a8c9b3a11"


class Diary:
    """What was done, and how to make steps that write into it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def step(
        self,
        title: str,
        hour: Hour,
        *,
        needs: str = "",
        gives: str = "",
        fails: BaseException | None = None,
        service: str = "s",
        run: Callable[[Day], Awaitable[str]] | None = None,
    ) -> Step:
        async def write(day: Day) -> str:
            self.done.append(title)
            if fails is not None:
                raise fails
            for what in gives.split():
                day.made[what] = f"{what}-id"
            return await run(day) if run else "done"

        return Step(service, hour, title, write, tuple(needs.split()), tuple(gives.split()), 5.0)

    def ordinary(self, fails: Mapping[str, BaseException] | None = None) -> list[Step]:
        """A day with an account, a server and a volume; ``fails`` by title."""
        broken = fails or {}
        rows: list[tuple[str, Hour, str, str]] = [
            ("login", Hour.BEFORE, "", ADMINISTRATOR),
            ("account", Hour.ACCOUNT, ADMINISTRATOR, TENANT),
            ("image", Hour.SUPPLIES, TENANT, "image"),
            ("boot", Hour.SERVER, "image", "server"),
            ("answer", Hour.ANSWER, "server", "answers"),
            ("volume", Hour.USE, TENANT, "volume"),
            ("move", Hour.MOVE, "answers", ""),
            ("servers away", Hour.SERVERS_AWAY, TENANT, ""),
            ("rest away", Hour.AWAY, TENANT, ""),
            ("close", Hour.CLOSE, ADMINISTRATOR, ""),
            ("gone", Hour.GONE, TENANT, ""),
        ]
        steps = [
            self.step(title, hour, needs=needs, gives=gives, fails=broken.get(title))
            for title, hour, needs, gives in rows
        ]
        return days.planned(steps)


def outside(ask: Any = None) -> Outside:
    return cast(Outside, SimpleNamespace(ask=ask, cluster=SimpleNamespace(nodes=("c1", "c2"))))


async def verdicts(steps: list[Step]) -> dict[str, Verdict]:
    return {check.title: check.verdict for check in await days.live(steps, outside(), name="quorate-day-1-x")}


async def test_a_day_goes_hour_by_hour_whatever_order_the_services_have() -> None:
    diary = Diary()
    steps = diary.ordinary()
    found = await days.live(days.planned(reversed(steps)), outside())
    assert diary.done == [step.title for step in steps]
    assert {check.verdict for check in found} == {Verdict.PASS}


async def test_what_builds_on_a_failure_is_not_tried_and_the_rest_and_the_evening_are() -> None:
    diary = Diary()
    found = await verdicts(diary.ordinary({"boot": QuorateError("No valid host was found")}))
    assert found["boot"] is Verdict.FAIL
    assert found["answer"] is found["move"] is Verdict.UNKNOWN
    assert "answer" not in diary.done and "move" not in diary.done
    assert [found[title] for title in ("volume", "servers away", "rest away", "close", "gone")] == [
        Verdict.PASS
    ] * 5


async def test_it_is_said_what_did_not_pass_also_two_steps_on() -> None:
    found = await days.live(Diary().ordinary({"boot": QuorateError("no")}), outside())
    said = {check.title: check.evidence for check in found}
    assert said["answer"] == "not tried: “boot” did not pass"
    assert said["move"] == "not tried: “answer” did not pass"


async def test_the_account_stays_where_something_else_stays() -> None:
    diary = Diary()
    found = await verdicts(diary.ordinary({"servers away": QuorateError("the server is in ERROR")}))
    assert found["rest away"] is Verdict.PASS and found["close"] is Verdict.UNKNOWN
    assert "close" not in diary.done and "gone" in diary.done


async def test_without_an_account_nothing_is_tried_but_its_own_end() -> None:
    diary = Diary()
    await verdicts(diary.ordinary({"account": QuorateError("403")}))
    assert diary.done == ["login", "account"]


async def test_what_was_only_half_made_is_cleared_away_too() -> None:
    diary = Diary()
    steps = diary.ordinary()

    async def half(day: Day) -> str:
        day.made[TENANT] = "project-id"
        raise QuorateError("the user was refused")

    steps[1] = diary.step("account", Hour.ACCOUNT, needs=ADMINISTRATOR, gives="", run=half)
    steps[1] = Step(steps[1].service, Hour.ACCOUNT, "account", steps[1].run, (ADMINISTRATOR,), (TENANT,), 5.0)
    found = await verdicts(steps)
    assert found["account"] is Verdict.FAIL and found["image"] is Verdict.UNKNOWN
    assert "servers away" in diary.done and "gone" in diary.done


async def test_a_host_that_cannot_do_its_part_makes_no_failure_of_the_cloud() -> None:
    found = await verdicts(Diary().ordinary({"image": PreconditionError("mmdebstrap is missing")}))
    assert found["image"] is Verdict.UNKNOWN


def test_steps_that_need_what_no_service_gives_are_no_part_of_the_day() -> None:
    diary = Diary()
    steps = [
        diary.step("login", Hour.BEFORE, gives=ADMINISTRATOR),
        diary.step("account", Hour.ACCOUNT, needs=ADMINISTRATOR, gives=TENANT),
        diary.step("boot", Hour.SERVER, needs="image network", gives="server"),
        diary.step("attach", Hour.USE, needs="server volume", gives="attached"),
        diary.step("write", Hour.USE, needs="attached"),
        diary.step("object", Hour.USE, needs=TENANT),
        diary.step("gone", Hour.GONE, needs="server"),
    ]
    assert [step.title for step in days.planned(steps)] == ["login", "account", "object"]


def test_an_account_alone_is_no_day() -> None:
    diary = Diary()
    steps = [
        diary.step("login", Hour.BEFORE, gives=ADMINISTRATOR),
        diary.step("account", Hour.ACCOUNT, needs=ADMINISTRATOR, gives=TENANT),
        diary.step("close", Hour.CLOSE, needs=ADMINISTRATOR),
        diary.step("gone", Hour.GONE, needs=ADMINISTRATOR),
    ]
    assert days.planned(steps) == []


async def test_services_work_at_the_same_time_within_an_hour() -> None:
    met = asyncio.Barrier(2)

    async def meet(_: Day) -> str:
        await met.wait()
        return "met"

    diary = Diary()
    steps = [
        diary.step("meet", Hour.SUPPLIES, service=service, run=meet) for service in ("glance", "neutron")
    ]
    assert [check.verdict for check in await days.live(steps, outside())] == [Verdict.PASS] * 2


async def test_interrupted_it_clears_away_and_then_ends() -> None:
    diary, began = Diary(), asyncio.Event()

    async def long(_: Day) -> str:
        began.set()
        await asyncio.Event().wait()
        return "unreachable"

    async def log_in(day: Day) -> str:
        day.accounts[ADMINISTRATOR] = day.accounts[TENANT] = cast(Any, None)
        return "in"

    steps = diary.ordinary()
    steps[0] = diary.step("login", Hour.BEFORE, gives=f"{ADMINISTRATOR} {TENANT}", run=log_in)
    steps[3] = diary.step("boot", Hour.SERVER, gives="server", run=long)
    heard: list[Event] = []
    task = asyncio.create_task(days.live(steps, outside(), heard.append))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert diary.done[-3:] == ["servers away", "rest away", "close"]


async def test_a_failure_shows_the_log_lines_of_its_requests_from_the_nodes() -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []

    async def ask(node: str, kind: str, args: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
        asked.append((node, args))
        if node == "c2":
            raise QuorateError("it is off", where="c2")
        return {"lines": [f"nova-scheduler: ERROR {args['ids'][0]}"]}

    steps = Diary().ordinary({"boot": QuorateError(f"no host (create {REQUEST})")})
    boot = next(check for check in await days.live(steps, outside(ask)) if check.title == "boot")
    assert boot.details[0].startswith(f"requests: {REQUEST}, req-")
    assert boot.details[1:] == (
        f"c1 nova-scheduler: ERROR {REQUEST}",
        "c2: its log cannot be read: it is off",
    )
    assert [node for node, _ in asked] == ["c1", "c2"] and all(args["ids"][0] == REQUEST for _, args in asked)


async def test_what_passed_asks_for_no_logs() -> None:
    async def ask(*_: Any) -> Mapping[str, Any]:
        raise AssertionError("nobody has to be asked")

    assert not any(check.details for check in await days.live(Diary().ordinary(), outside(ask)))


def test_requests_named_by_the_error_come_first_and_only_once() -> None:
    swift = "txa9483d5792ce483abc358-006b033753"
    assert days.requests(f"409 ({REQUEST}), {swift}", ["req-old", REQUEST]) == [REQUEST, swift, "req-old"]
    assert days.requests("no answer within 60 s", list("abcdef")) == ["c", "d", "e", "f"]


async def test_a_silent_node_does_not_crowd_out_the_one_that_knows() -> None:
    async def ask(node: str, *_: Any) -> Mapping[str, Any]:
        return {"lines": [f"{number}" for number in range(40 if node == "c1" else 3)]}

    lines = await days.logs(outside(ask), ["req-1"], 1.0)
    assert len(lines) == days.LINES and sum(line.startswith("c2 ") for line in lines) == 3


async def test_an_earlier_day_is_cleared_away_with_the_evenings_steps_and_what_stays_is_named() -> None:
    diary, said = Diary(), list[str]()
    steps = diary.ordinary({"rest away": QuorateError("volume in use")})

    async def earlier(day: Day) -> str:
        other = day.other("quorate-day-0-old")
        other.accounts[TENANT] = cast(Any, None)
        said.extend(await day.clear(other))
        return "tried"

    async def log_in(day: Day) -> str:
        day.accounts[ADMINISTRATOR] = cast(Any, None)
        return "in"

    steps[0] = diary.step("login", Hour.BEFORE, gives=ADMINISTRATOR, run=log_in)
    steps.insert(1, diary.step("earlier", Hour.BEFORE, needs=ADMINISTRATOR, run=earlier))
    await days.live(steps, outside())
    assert diary.done[:4] == ["login", "earlier", "servers away", "rest away"]
    assert said[0] == "rest away: volume in use" and said[1].startswith("close: not tried")


def test_checks_show_their_details_in_json() -> None:
    check = Check("nova", "boot", Verdict.FAIL, "no host", 1.23456, ("c1 nova-scheduler: ERROR",))
    assert check.as_json()["details"] == ("c1 nova-scheduler: ERROR",) and check.as_json()["seconds"] == 1.235
