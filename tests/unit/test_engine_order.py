"""Stages in order, `after` in order, and what contradicts itself is refused."""

from __future__ import annotations

import pytest
from engine_things import everywhere, thing

from quorate.engine.order import arrange
from quorate.errors import QuorateError
from quorate.resources.base import Placed, Stage


def names(resources: object) -> list[str]:
    return [one.name for one in resources]  # type: ignore[attr-defined]


def test_stages_come_in_order_whatever_the_declaration() -> None:
    desired = [Placed(Stage.DATA, "c1", thing("d")), Placed(Stage.BASE, "c1", thing("b"))]
    assert [work.stage for work in arrange(desired)] == [Stage.BASE, Stage.DATA]


def test_after_beats_declaration_and_otherwise_declaration_stays() -> None:
    one = everywhere(Stage.BASE, thing("a", after=["file:z"]), thing("b"), thing("z"), nodes=["c1"])
    assert names(arrange(one)[0].together["c1"]) == ["b", "z", "a"]


def test_what_follows_a_serial_one_is_serial_too() -> None:
    chain = [
        thing("s", serial=True),
        thing("t", after=["file:s"]),
        thing("u", after=["file:t"]),
        thing("free"),
    ]
    work = arrange(everywhere(Stage.BASE, *chain, nodes=["c1"]))[0]
    assert names(work.one_by_one["c1"]) == ["s", "t", "u"]
    assert names(work.together["c1"]) == ["free"]


def test_after_an_earlier_stage_is_harmless() -> None:
    desired = [Placed(Stage.BASE, "c1", thing("a")), Placed(Stage.DATA, "c1", thing("b", after=["file:a"]))]
    assert len(arrange(desired)) == 2


@pytest.mark.parametrize(
    ("desired", "says"),
    [
        (everywhere(Stage.BASE, thing("a"), thing("a"), nodes=["c1"]), "declared twice"),
        ([Placed(Stage.BASE, "c1", thing("a")), Placed(Stage.DATA, "c1", thing("a"))], "declared twice"),
        (
            everywhere(Stage.BASE, thing("a", after=["file:b"]), thing("b", after=["file:a"]), nodes=["c1"]),
            "circle",
        ),
        (everywhere(Stage.BASE, thing("a", after=["file:nope"]), nodes=["c1"]), "not declared"),
        (
            [Placed(Stage.BASE, "c1", thing("a", after=["file:b"])), Placed(Stage.DATA, "c1", thing("b"))],
            "later",
        ),
    ],
)
def test_contradictions_are_refused(desired: list[Placed], says: str) -> None:
    with pytest.raises(QuorateError, match=says):
        arrange(desired)
