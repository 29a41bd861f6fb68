"""The agent itself, as the process that it is on a node."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from quorate.engine import trip
from quorate.errors import QuorateError
from quorate.node import agent
from quorate.resources.base import Resource
from quorate.resources.command import command
from quorate.transport.fake import LocalNode


def item(one: Resource, timeout_s: float = 5) -> dict[str, Any]:
    return {"id": one.id, "kind": one.kind, "args": one.args, "desired": one.desired, "timeout_s": timeout_s}


async def fixed(*items: dict[str, Any]) -> list[trip.Answer]:
    told: list[trip.Answer] = []
    await trip.fix(LocalNode("here"), items, told.append)
    return [answer for answer in told if "id" in answer]


async def test_looks_that_wait_do_not_wait_for_each_other_nor_break_each_other() -> None:
    slow = [command(f"s{n}", check=["sleep", "1"]) for n in range(4)]
    broken = command("b", check=["/no/such"])
    begun = time.monotonic()
    found = await trip.look(LocalNode("here"), [item(one) for one in (*slow, broken)])
    assert time.monotonic() - begun < 3.5, "one after the other they take 4 s"
    assert [found[one.id]["state"]["done"] for one in slow] == [True] * 4
    assert "cannot be run" in found[broken.id]["error"]


async def test_only_a_few_looks_are_under_way_at_a_time(tmp_path: Path) -> None:
    seen = Path(f"{tmp_path}.seen")
    mark = f"cd {tmp_path}; touch $0; sleep 0.3; echo $(ls) >> {seen}; rm $0"
    many = [command(f"m{n}", check=["sh", "-c", mark, f"m{n}"]) for n in range(8)]
    found = await trip.look(LocalNode("here"), [item(one) for one in many])
    assert all(found[one.id]["state"]["done"] for one in many)
    together = [len(line.split()) for line in seen.read_text().splitlines()]
    assert len(together) == 8
    assert max(together) <= agent.LOOKS_AT_ONCE


async def test_looks_that_are_stuck_do_not_keep_others_out() -> None:
    stuck = [command(f"h{n}", check=["sleep", "9"]) for n in range(agent.LOOKS_AT_ONCE)]
    quick = command("q", check=["true"])
    items = [item(one, 0.5) for one in (*stuck, quick)]
    found = await asyncio.wait_for(trip.look(LocalNode("here"), items), 6)
    assert found[quick.id]["state"]["done"]
    assert all("no answer within" in found[one.id]["error"] for one in stuck)


async def test_a_look_has_its_own_deadline() -> None:
    hung, quick = command("h", check=["sleep", "9"]), command("q", check=["true"])
    found = await asyncio.wait_for(trip.look(LocalNode("here"), [item(hung, 0.3), item(quick, 0.3)]), 3)
    assert "no answer within" in found[hung.id]["error"] and found[quick.id]["state"]["done"]


async def test_a_change_is_looked_at_again_and_a_lie_is_found_out(tmp_path: Path) -> None:
    mark = str(tmp_path / "m")
    honest = command("honest", check=["test", "-e", mark], fix=["touch", mark])
    liar = command("liar", check=["false"], fix=["true"])
    after = command("after", check=["true"])
    answers = {answer["id"]: answer for answer in await fixed(item(honest), item(liar), item(after))}
    assert answers[honest.id]["outcome"] == "changed"
    assert answers[liar.id]["outcome"] == "failed" and "second look" in answers[liar.id]["error"]
    assert answers[after.id]["outcome"] == "skipped"
    assert (await fixed(item(honest)))[0]["outcome"] == "ok"


async def test_what_an_earlier_fix_changed_is_seen_by_a_later_one(tmp_path: Path) -> None:
    mark = str(tmp_path / "m")
    makes = command("makes", check=["test", "-e", mark], fix=["touch", mark])
    minds = command("minds", check=["test", "!", "-e", mark], fix=["rm", mark])
    outcomes = [answer["outcome"] for answer in await fixed(item(makes), item(minds))]
    assert outcomes == ["changed", "changed"]


async def test_a_fix_that_takes_too_long_is_ended() -> None:
    (answer,) = await asyncio.wait_for(fixed(item(command("h", check=["false"], fix=["sleep", "9"]), 0.3)), 5)
    assert answer["outcome"] == "failed" and "0.3 s" in answer["error"]


async def test_what_a_program_prints_does_not_disturb_the_answers() -> None:
    loud = command("l", check=["sh", "-c", "echo '{\"end\":true}'; exit 1"], fix=["echo", '{"id": "x"}'])
    (answer,) = await fixed(item(loud))
    assert answer["id"] == loud.id


def test_a_kind_that_is_not_there_is_named() -> None:
    with pytest.raises(QuorateError, match="called nonsense"):
        trip.modules(["nonsense"])


def test_what_a_kind_imports_is_sent_before_it() -> None:
    names = [name for name, _ in trip.modules(["directory"])]
    assert names.index("tools") < names.index("file") < names.index("directory") and "agent" in names
