"""A history is read back as it was written; what was cut off is counted, not believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from drill_histories import requests

from quorate.drill.history import FILE, Clock, Writer, load
from quorate.drill.ledger import ReadBack
from quorate.errors import UsageError


def write(folder: Path) -> None:
    times = iter(range(100, 200))
    with Writer(folder, Clock(lambda: float(next(times)), lambda: 5000.0)) as writer:
        writer.write("run", run="r", endpoints={"token": {}})
        for request in requests("token")[:3]:
            writer.request(request)
        writer.readback(ReadBack("rows", "c1", (1, 2, 3)))
        writer.write("injected", evidence="off")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "r")
    read = load(tmp_path / "r")
    assert read.requests == requests("token")[:3]
    assert read.readbacks == (ReadBack("rows", "c1", (1, 2, 3)),)
    assert read.run["run"] == "r"
    assert read.injected == 3.0  # the third time that the clock was asked after the origin
    assert read.damaged == ()


def test_a_cut_off_line_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "r")
    path = tmp_path / "r" / FILE
    path.write_text(path.read_text()[:-20])
    read = load(tmp_path / "r")
    assert read.damaged == (6,)
    assert read.injected is None


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "r")
    with pytest.raises(FileExistsError):
        write(tmp_path / "r")


def test_no_history(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load(tmp_path)
