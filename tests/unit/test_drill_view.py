"""What a drill asks the nodes: as little as it can, because they are being measured."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from quorate.drill import view as drill_view
from quorate.drill.history import Clock
from quorate.drill.view import View
from quorate.engine.look import Answer, Question
from quorate.services.base import Health, HealthProbe, Judgement

PROBES = (("c1", "galera"), ("c1", "nova"), ("n1", "ovn"))


async def test_who_was_not_well_is_asked_first_and_everybody_before_it_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    unwell = {"galera"}

    async def look(_: Any, questions: Sequence[Question]) -> list[Answer]:
        asked.append(" ".join(one.kind for one in questions))
        silent = [one.kind in unwell and unwell != {"galera"} for one in questions]
        return [
            Answer(one, None if quiet else {"well": one.kind not in unwell}, "no answer")
            for one, quiet in zip(questions, silent, strict=True)
        ]

    def judge(state: Any) -> Judgement:
        return Judgement(Health.OK if state["well"] else Health.FAILED, "not synced")

    probes = [HealthProbe(name, node, name, {}, judge) for node, name in PROBES]
    ctx = SimpleNamespace(controllers=("c1",), cluster=SimpleNamespace(nodes=("c1",)))
    platform: Any = SimpleNamespace(ctx=ctx, probes=lambda: probes)
    view = View(platform, lambda _: None, Clock())  # type: ignore[arg-type, return-value]

    async def members() -> list[str]:
        return []

    monkeypatch.setattr(drill_view, "look", look)
    monkeypatch.setattr(view, "members", members)
    assert (await view.whole()).missing == ("galera on c1: not synced",)
    assert (await view.whole()).missing == ("galera on c1: not synced",)
    assert asked == ["galera nova", "galera"], "the other node is not asked"
    unwell = {"ovn"}
    # It has recovered, and meanwhile another one has fallen silent.
    assert (await view.whole()).missing == ("ovn on n1: no answer",)
    assert asked[2:] == ["galera", "galera nova", "ovn"]
    unwell = set()
    assert (await view.whole()).missing == ()
    assert asked[5:] == ["ovn", "galera nova", "ovn"]
