"""The program that appends records on a node: what it acknowledges is in the file; damage is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.drill import recorder


def test_records_come_back_in_order() -> None:
    data = b"".join(recorder.line(number) for number in (0, 7, 12345))
    assert len(data) == 3 * 64
    assert recorder.parse(data) == (0, 7, 12345)
    assert recorder.parse(b"") == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:70] + b"9" + data[71:],  # another number than its sum
        lambda data: data[:64] + b"\0" * 64 + data[128:],  # a block that was never written
        lambda data: data[:-3],  # cut off
        lambda data: data + b"short\n",
    ],
)
def test_what_is_damaged_is_no_record(damage: object) -> None:
    data = b"".join(recorder.line(number) for number in (1, 2, 3))
    assert callable(damage)
    assert -1 in recorder.parse(damage(data))


def test_a_folder_on_the_same_file_system_is_no_mount(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    place = recorder.Place(str(tmp_path / "mount"), "run")
    assert not place.mounted()
    assert list((tmp_path / "mount").iterdir()) == [], "nothing is made outside the file system"
    with pytest.raises(OSError, match="No such file"):
        place.append("records", recorder.line(1))


def test_what_is_acknowledged_is_in_the_file() -> None:
    """/dev/shm is a file system of its own wherever there is Linux."""
    folder = f"quorate-test-{os.getpid()}"
    source = Path(recorder.__file__).read_text()
    argv = [sys.executable, "-u", "-c", source, "/dev/shm", folder]
    try:
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin and process.stdout
            assert process.stdout.readline() == "mounted\n"
            process.stdin.write("4\n5\n")
            process.stdin.flush()
            assert [process.stdout.readline() for _ in range(2)] == ["ok 4\n", "ok 5\n"]
            process.stdin.close()
            assert process.wait(timeout=10) == 0
        records = Path("/dev/shm") / folder / recorder.FILE
        assert recorder.parse(records.read_bytes()) == (4, 5)
    finally:
        for path in sorted((Path("/dev/shm") / folder).glob("*")):
            path.unlink()
        (Path("/dev/shm") / folder).rmdir()
