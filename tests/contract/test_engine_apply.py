"""What an apply promises, on nodes that fail in every way that a node can."""

from __future__ import annotations

import asyncio
import logging

import pytest
from engine_things import NODES, connect_to, everywhere, thing

from quorate.engine import apply as engine
from quorate.engine import trip
from quorate.engine.plan import make_plan
from quorate.engine.report import Outcome
from quorate.errors import ApplyError, PreconditionError
from quorate.events import Event, Kind
from quorate.resources.base import Placed, Stage
from quorate.resources.file import file
from quorate.transport.fake import FakeNode, request_of

KEY = "0123456789abcdef0123456789abcdef"


def nodes_of(**more: object) -> dict[str, FakeNode]:
    return {name: FakeNode(name, **more) for name in NODES}  # type: ignore[arg-type]


def fixes(request: object) -> bool:
    return request["op"] == "fix"  # type: ignore[index]


async def test_everything_is_changed_once_and_then_nothing_is() -> None:
    desired = everywhere(Stage.BASE, thing("a")) + everywhere(Stage.DATA, thing("b", after=["file:a"]))
    nodes = nodes_of()
    first = await engine.apply(desired, connect_to(nodes))
    assert first.ok and len(first.changed) == 6
    sent = {name: len(node.commands) for name, node in nodes.items()}
    second = await engine.apply(desired, connect_to(nodes), lock_on=NODES)
    assert second.ok and not second.changed
    assert all(len(node.commands) == sent[name] + 1 for name, node in nodes.items()), (
        "one trip a node, no lock"
    )


async def test_an_unreachable_node_is_refused_before_anything_changes() -> None:
    nodes = nodes_of()
    nodes["c3"].trouble = "refuse"
    with pytest.raises(PreconditionError, match="c3"):
        await engine.apply(everywhere(Stage.BASE, thing("a")), connect_to(nodes))
    assert not any(node.fixed for node in nodes.values())


@pytest.mark.parametrize(("trouble", "mended"), [("lost after", ["file:a"]), ("lost before", [])])
async def test_a_connection_lost_after_sending_is_unknown(trouble: str, mended: list[str]) -> None:
    nodes = nodes_of()
    nodes["c2"].trouble, nodes["c2"].only = trouble, fixes  # type: ignore[assignment]
    desired = everywhere(Stage.BASE, thing("a")) + everywhere(Stage.DATA, thing("b"))
    report = await engine.apply(desired, connect_to(nodes))
    assert {(r.node, r.outcome) for r in report.results} == {
        ("c1", Outcome.CHANGED), ("c2", Outcome.UNKNOWN), ("c3", Outcome.CHANGED)
    }  # fmt: skip
    assert report.not_begun == (Stage.DATA,) and not report.ok
    assert nodes["c2"].fixed == mended
    with pytest.raises(ApplyError, match="unknown"):
        report.check()
    nodes["c2"].trouble = ""
    again = await engine.apply(desired, connect_to(nodes))
    assert again.ok, "running it again carries on"


async def test_a_node_that_dies_between_stages_has_failed_and_nothing_was_begun_there() -> None:
    nodes = nodes_of()
    nodes["c2"].trouble, nodes["c2"].only = "refuse", fixes
    report = await engine.apply(everywhere(Stage.BASE, thing("a")), connect_to(nodes))
    assert [(r.node, r.outcome) for r in report.bad] == [("c2", Outcome.FAILED)]


async def test_a_silent_node_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MARGIN_S", "LOCK_WAIT_S", "LOOK_S"):
        monkeypatch.setattr(trip, name, 0.05)
    nodes = nodes_of()
    nodes["c1"].trouble, nodes["c1"].only = "hang", fixes
    report = await asyncio.wait_for(engine.apply(everywhere(Stage.BASE, thing("a")), connect_to(nodes)), 5)
    assert [(r.node, r.outcome) for r in report.bad] == [("c1", Outcome.UNKNOWN)]


async def test_a_failure_skips_what_comes_after_it_and_ends_the_apply_with_its_stage() -> None:
    desired = everywhere(Stage.BASE, thing("a"), thing("b")) + everywhere(Stage.DATA, thing("c"))
    nodes = nodes_of()
    nodes["c1"].breaks["file:a"] = "disk full"
    events: list[Event] = []
    report = await engine.apply(desired, connect_to(nodes), listener=events.append)
    outcomes = {(r.node, r.id): r.outcome for r in report.results}
    assert outcomes["c1", "file:a"] is Outcome.FAILED and outcomes["c1", "file:b"] is Outcome.SKIPPED
    assert outcomes["c2", "file:b"] is Outcome.CHANGED, "the other nodes finish their stage"
    assert report.not_begun == (Stage.DATA,)
    assert any(event.kind is Kind.FAILED and "file:a" in event.text for event in events)
    with pytest.raises(ApplyError) as caught:
        report.check()
    assert "disk full" in str(caught.value) and "c1" in str(caught.value) and caught.value.next_step


async def test_nodes_that_fail_alike_are_told_of_together() -> None:
    nodes = nodes_of(breaks={"file:a": "one\ntwo\nthree"})
    report = await engine.apply(everywhere(Stage.BASE, thing("a")), connect_to(nodes))
    with pytest.raises(ApplyError) as caught:
        report.check()
    assert "c1, c2, c3: file:a failed" in str(caught.value) and str(caught.value).count("three") == 1


async def test_a_fix_that_a_second_look_does_not_confirm_has_failed() -> None:
    nodes = nodes_of(stays={"file:a"})
    report = await engine.apply(everywhere(Stage.BASE, thing("a")), connect_to(nodes))
    assert not report.changed and len(report.bad) == 3


async def test_serial_ones_go_node_by_node_after_the_others() -> None:
    journal: list[tuple[str, str]] = []
    serial, its = thing("s", serial=True), thing("t", after=["file:s"])
    desired = everywhere(Stage.BASE, serial, its, thing("free"))
    report = await engine.apply(desired, connect_to(nodes_of(journal=journal)))
    assert report.ok
    assert sorted(journal[:3]) == [(node, "file:free") for node in NODES]
    assert journal[3:] == [(node, name) for node in NODES for name in ("file:s", "file:t")]


async def test_a_serial_failure_leaves_the_next_nodes_alone() -> None:
    nodes = nodes_of()
    nodes["c2"].breaks["file:s"] = "no"
    report = await engine.apply(everywhere(Stage.BASE, thing("s", serial=True)), connect_to(nodes))
    assert [r.outcome for r in report.results] == [Outcome.CHANGED, Outcome.FAILED, Outcome.SKIPPED]
    assert not nodes["c3"].fixed


async def test_stages_before_the_first_difference_are_not_visited() -> None:
    desired = everywhere(Stage.BASE, thing("a")) + everywhere(Stage.DATA, thing("b"))
    nodes = nodes_of(states={})
    for node in nodes.values():
        node.states = {"file:a": {"right": True}}
    await engine.apply(desired, connect_to(nodes))
    asked = [[item["id"] for item in request_of(c)["items"]] for c in nodes["c1"].commands]
    assert [len(trip) for trip in asked] == [2, 1] and asked[1] == ["file:b"]


async def test_a_plan_that_is_not_the_one_that_was_shown_is_refused() -> None:
    desired = everywhere(Stage.BASE, thing("a"))
    nodes = nodes_of()
    shown = (await make_plan(desired, connect_to(nodes))).hash
    nodes["c1"].states["file:a"] = {"right": True}
    with pytest.raises(ApplyError, match="no longer"):
        await engine.apply(desired, connect_to(nodes), expect=shown)
    assert not any(node.fixed for node in nodes.values())
    now = (await make_plan(desired, connect_to(nodes))).hash
    assert (await engine.apply(desired, connect_to(nodes), expect=now[:12])).ok


async def test_secrets_appear_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wanted = file("/k", f"password = {KEY}\n", secret=True)
    nodes = nodes_of(breaks={"file:/k": f"line 1: password = {KEY}: syntax error"})
    events: list[Event] = []
    desired = [Placed(Stage.BASE, name, wanted) for name in NODES]
    report = await engine.apply(desired, connect_to(nodes), listener=events.append)
    with pytest.raises(ApplyError) as caught:
        report.check()
    shown = [repr(report), str(report.to_json()), str(caught.value), repr(events), caplog.text, repr(desired)]
    shown += [repr(command.argv) + repr(command) for node in nodes.values() for command in node.commands]
    assert not [text for text in shown if KEY in text]
    assert "syntax error" in str(caught.value), "what is not secret is still said"
