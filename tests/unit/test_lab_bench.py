"""What a BMC can be told to be like, and who is armed to mend a machine: files, read by other processes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from quorate.errors import UsageError
from quorate.lab import behaviour, healer
from quorate.lab.behaviour import NORMAL, Behaviour, Kind
from quorate.lab.layout import LabFolder, NodeFolder


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    found = LabFolder(tmp_path, "t").node("w1")
    found.path.mkdir(parents=True)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal", NORMAL),
        ("dead\n", Behaviour(Kind.DEAD)),
        ("lying", Behaviour(Kind.LYING)),
        ("slow 1.5", Behaviour(Kind.SLOW, 1.5)),
    ],
)
def test_behaviours_survive_their_file(folder: NodeFolder, text: str, expected: Behaviour) -> None:
    assert behaviour.parse(text) == expected
    behaviour.write(folder, expected)
    assert behaviour.read(folder) == expected
    behaviour.write(folder, NORMAL)
    assert behaviour.read(folder) == NORMAL


@pytest.mark.parametrize("text", ["slow", "slow 0", "slow -1", "slow x", "dead 3", "asleep", "slow nan", ""])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        behaviour.parse(text)


def test_who_is_armed_is_called_off_by_the_same_run_only(folder: NodeFolder) -> None:
    (folder.path / "healer").write_text("r1 waiting\n")
    assert healer.armed(folder, "r1")
    healer.disarm(folder, "r2")
    assert healer.armed(folder, "r1")
    healer.disarm(folder, "r1")
    assert not healer.armed(folder, "r1")
    healer.disarm(folder, "r1")


def test_a_healer_mends_when_nobody_did(folder: NodeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    mended: list[str] = []
    monkeypatch.setattr(healer, "mend", lambda each: mended.append(each.node))
    monkeypatch.setattr(healer, "LOOK_S", 0.01)
    assert healer.main([str(folder.path), "r1", "0.05"]) == 0
    assert mended == ["w1"]
    assert not healer.armed(folder, "r1")


def test_a_healer_is_a_process_of_its_own_that_ends_when_called_off(folder: NodeFolder) -> None:
    healer.arm(folder, "r1", 3600)
    assert healer.armed(folder, "r1")
    running = [pid for pid in _healers() if str(folder.path) in _healers()[pid]]
    assert len(running) == 1
    healer.disarm(folder, "r1")
    deadline = time.monotonic() + 20
    while any(str(folder.path) in line for line in _healers().values()):
        assert time.monotonic() < deadline, "it did not end"
        time.sleep(0.05)


def _healers() -> dict[str, str]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if healer.MODULE in line:
            found[path.parent.name] = line
    return found
