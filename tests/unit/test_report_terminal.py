"""What a person reads: the verdict, the losses, and why."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from drill_histories import between, history
from rich.console import Console

from quorate.drill.judge import judge
from quorate.drill.model import DrillResult
from quorate.report.terminal import drill


def shown(result: DrillResult) -> str:
    console = Console(file=StringIO(), width=150, color_system=None)
    console.print(drill(result))
    text = console.file
    assert isinstance(text, StringIO)
    return text.getvalue()


def test_a_good_run() -> None:
    text = shown(judge(history(fails=between(12.0, 14.0))))
    assert text.startswith("PASS  power-off on c1 (keystone)")
    assert "1.90 to 2.11" in text
    assert "230 acknowledged, 0 lost" in text
    assert "chassis power is off" in text


def test_a_loss_is_named_with_its_evidence() -> None:
    text = shown(judge(history(lose=[30])))
    assert text.startswith("FAIL")
    assert "1 lost" in text
    assert "c2 lacks 30" in text


def test_nothing_is_called_safe_that_nobody_looked_for() -> None:
    text = shown(judge(replace(history(fails=between(12.0, 14.0)), readbacks=())))
    assert "230 acknowledged, 0 lost, 230 never looked for" in text


def test_several_outages_are_summed_up() -> None:
    twice = judge(history(fails=lambda t: 12.0 <= t < 14.0 or 18.0 <= t < 18.5))
    assert "1.90 to 2.11 and 1 shorter" in shown(twice)
