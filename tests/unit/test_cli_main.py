"""The front door: errors become sentences and exit codes, and nobody meets a traceback."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from quorate.cli import main as front
from quorate.errors import DrillError, LabError, QuorateError, UsageError

ROOT = Path(__file__).parents[2]


def raising(error: BaseException) -> Callable[[], click.Group]:
    def build() -> click.Group:
        @click.command()
        def boom() -> None:
            raise error

        return click.Group("quorate", commands=[boom])

    return build


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("no such thing", next_step="try another"), 64, "next: try another"),
        (LabError("no bridge", where="c1"), 1, "c1: no bridge"),
        (DrillError("no verdict"), 2, "no verdict"),
        (QuorateError("odd"), 70, "odd"),
        (click.UsageError("bad option"), 64, "bad option"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
    ],
)
def test_errors_become_exit_codes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(front, "build", raising(error))
    assert front.main(["boom"]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_bug_is_one_sentence_and_a_private_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("QUORATE_STATE", str(tmp_path))
    monkeypatch.setattr(front, "build", raising(ZeroDivisionError("one\ntwo")))
    assert front.main(["boom"]) == 70
    (crash,) = (tmp_path / "crash").iterdir()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "internal error: ZeroDivisionError: one;" in said
    assert str(crash) in said
    assert "Traceback" in crash.read_text()
    assert crash.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], [], ["check"], ["check", "a", "b"]])
def test_wrong_use_is_64(arguments: list[str]) -> None:
    assert front.main(arguments) == 64


def test_a_command_returns_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def two() -> int:
        return 2

    @click.command()
    def nothing() -> None:
        return None

    monkeypatch.setattr(front, "build", lambda: click.Group("quorate", commands=[two, nothing]))
    assert front.main(["two"]) == 2
    assert front.main(["nothing"]) == 0


def test_every_command_has_a_help_text() -> None:
    for name, command in front.build().commands.items():
        assert command.help, name


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "quorate", *arguments],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from quorate.cli.main import build; build();"
        "heavy = {'pydantic', 'asyncssh', 'aiohttp', 'rich', 'ruamel.yaml', 'jinja2'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    begin = time.process_time()
    assert "check" in run("--help").stdout
    assert time.process_time() - begin < 0.5


def test_a_closed_pipe_is_no_bug() -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "quorate", "schema"],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert said == b""
