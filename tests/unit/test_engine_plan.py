"""What a plan shows, what it hides, and what its hash depends on."""

from __future__ import annotations

import dataclasses
import json

import pytest
from engine_things import NODES, connect_to, everywhere, right, thing

from quorate.engine.plan import Plan, make_plan, redacted
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.command import command
from quorate.resources.file import file
from quorate.resources.unit import unit
from quorate.transport.fake import FakeNode

KEY = "0123456789abcdef0123456789abcdef"


async def plan_of(resource: Resource, state: object, *more: Resource, **states: object) -> Plan:
    node = FakeNode("c1", {resource.id: state, **states})
    return await make_plan(
        [Placed(Stage.CONFIG, "c1", one) for one in (resource, *more)], connect_to({"c1": node})
    )


async def test_nothing_to_do_is_an_empty_plan() -> None:
    desired = everywhere(Stage.BASE, thing("a"), thing("b"))
    states = right(desired)
    assert (await make_plan(desired, connect_to({n: FakeNode(n, states[n]) for n in NODES}))).empty


async def test_text_files_are_shown_as_a_diff() -> None:
    wanted = file("/etc/x", "one\ntwo\n")
    made = await plan_of(wanted, {**wanted.desired, "sha256": "0", "content": "one\nTWO\n"})
    assert "-TWO" in made.steps[0].diff and "+two" in made.steps[0].diff
    assert made.steps[0].differences == ()


async def test_a_wrong_mode_shows_only_the_mode() -> None:
    wanted = file("/etc/x", "one\n")
    (step,) = (await plan_of(wanted, {**wanted.desired, "mode": "0600"})).steps
    assert [(d.key, d.actual, d.desired) for d in step.differences] == [("mode", "0600", "0644")]
    assert step.diff == ""


@pytest.mark.parametrize("state", [{"type": "absent"}, {"type": "file", "sha256": "0", "content": KEY}])
async def test_a_secret_file_shows_nothing_of_itself(state: dict[str, str]) -> None:
    wanted = file("/etc/key", KEY, secret=True)
    made = await plan_of(wanted, state)
    assert made.steps
    for text in (json.dumps(made.to_json()), repr(made), repr(wanted)):
        assert KEY not in text and wanted.args["sha256"] not in text


async def test_the_hash_is_stable_and_moves_with_a_secret() -> None:
    hashes = [
        (await plan_of(file("/k", KEY + tail, secret=True), {"type": "absent"})).hash
        for tail in ("", "", "x")
    ]
    assert hashes[0] == hashes[1] != hashes[2]


async def test_the_hash_moves_with_what_is_there() -> None:
    wanted = file("/k", "x")
    first = await plan_of(wanted, {**wanted.desired, "mode": "0600"})
    second = await plan_of(wanted, {**wanted.desired, "mode": "0640"})
    assert first.hash != second.hash


async def test_what_cannot_be_looked_at_yet_is_known_after_apply() -> None:
    made = await plan_of(thing("a"), {"right": False}, thing("b"), **{"file:b": "no socket"})
    assert [(step.id, step.known, step.note) for step in made.steps][1] == (
        "file:b",
        False,
        "known after apply",
    )


async def test_what_cannot_be_looked_at_at_all_says_why() -> None:
    (step,) = (await plan_of(thing("a"), "no socket")).steps
    assert not step.known and "no socket" in step.note


@pytest.mark.parametrize(("reload", "verb"), [(True, "reloads"), (False, "restarts")])
async def test_a_unit_that_will_be_stale_is_announced(reload: bool, verb: str) -> None:
    conf, its = (
        file("/etc/x.cfg", "new"),
        unit("x.service", active=True, restart_on=["/etc/x.cfg"], reload=reload),
    )
    states = {its.id: {"active": True, "stale": False}}
    steps = (await plan_of(conf, {"type": "absent"}, its, **states)).steps
    assert steps[1].note.startswith(verb) and "/etc/x.cfg" in steps[1].note


async def test_an_unreachable_node_is_named_and_the_others_are_still_shown() -> None:
    nodes = {n: FakeNode(n, trouble="refuse" if n == "c2" else "") for n in NODES}
    made = await make_plan(everywhere(Stage.BASE, thing("a")), connect_to(nodes))
    assert list(made.unreachable) == ["c2"] and [s.node for s in made.steps] == ["c1", "c3"]
    assert not made.empty


def test_words_of_a_secret_resource_lose_what_looks_like_a_key() -> None:
    one = command("c", check=["true"], stdin=f"CREATE USER x IDENTIFIED BY '{KEY}'", secret=True)
    said = redacted(one, f"ERROR near 'BY '{KEY}' in line 1; {one.args['stdin']}")
    assert KEY not in said and "ERROR near" in said and "in line 1" in said
    assert redacted(dataclasses.replace(one, secret=False), KEY) == KEY
