"""The busy share of the client's machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.drill.machine import busy, ticks


def test_busy_share(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n")
    before = ticks(stat)
    assert before == (150, 1000)
    stat.write_text("cpu  160 0 60 820 60 0 0 0 0 0\n")
    assert busy(before, ticks(stat)) == pytest.approx(0.7)
    assert busy(before, before) == 0
