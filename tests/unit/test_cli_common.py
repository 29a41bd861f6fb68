"""Which cluster is meant; how results and progress are shown; how async work ends."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from quorate.cli import common
from quorate.cli.common import (
    ProgressListener,
    Terminated,
    confirm,
    emit,
    known_clusters,
    resolve,
    run_async,
)
from quorate.errors import SpecError, UsageError
from quorate.events import Event, Kind

Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good_spec: Any) -> Make:
    """Makes a known cluster of a name, in a state root of the test's own."""
    monkeypatch.setenv("QUORATE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("QUORATE_NAME", raising=False)
    monkeypatch.setattr(common, "catalogue", lambda: None)

    def cluster(name: str) -> Path:
        path = tmp_path / "state" / "clusters" / name / "cluster.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(good_spec | {"cluster": name}))
        return path

    return cluster


def test_a_file_says_it_all(
    make: Make, tmp_path: Path, write_spec: Callable[[Any], Path], good_spec: Any
) -> None:
    path = write_spec(good_spec)
    target = resolve(str(path), None)
    assert target.cluster.cluster == "demo"
    assert target.home.path == tmp_path / "state" / "clusters" / "demo"
    assert target.spec_path == path


def test_the_only_cluster_is_meant(make: Make) -> None:
    path = make("one")
    assert resolve(None, None).spec_path == path


def test_the_lab_is_meant_where_there_are_others(make: Make) -> None:
    make("a"), make("lab")
    assert resolve(None, None).cluster.cluster == "lab"
    assert resolve(None, "a").cluster.cluster == "a"


def test_a_name_chooses(make: Make) -> None:
    make("one"), make("two")
    assert resolve(None, "two").cluster.cluster == "two"
    assert known_clusters() == ["one", "two"]


@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        (None, None, "--name one, --name two"),
        (None, "three", "--name one, --name two"),
        (None, "../one", "there is no cluster '../one'"),
        ("one", None, "--name one"),
    ],
)
def test_what_is_unclear_names_the_choices(make: Make, file: str | None, name: str | None, said: str) -> None:
    make("one"), make("two")
    with pytest.raises(UsageError) as caught:
        resolve(file, name)
    assert said in str(caught.value)


def test_no_cluster_at_all_says_how_to_make_one(make: Make) -> None:
    with pytest.raises(UsageError, match="there is no cluster yet") as caught:
        resolve(None, None)
    assert "quorate lab up" in str(caught.value)


def test_file_and_name_must_agree(make: Make, write_spec: Callable[[Any], Path], good_spec: Any) -> None:
    with pytest.raises(UsageError, match="--name says other"):
        resolve(str(write_spec(good_spec)), "other")


def test_a_folder_with_another_clusters_spec_is_refused(make: Make) -> None:
    path = make("one")
    path.write_text(path.read_text().replace('"one"', '"two"'))
    with pytest.raises(UsageError, match="calls the cluster 'two'"):
        resolve(None, "one")


def test_a_file_that_is_not_there(make: Make) -> None:
    with pytest.raises(SpecError) as caught:
        resolve("nowhere.yaml", None)
    assert "there is no such file" in str(caught.value)


def test_emit(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"path": Path("/x")}, True)
    emit(["a", 2], False)
    emit("line", False)
    emit(None, False)
    assert capsys.readouterr().out == '{\n  "path": "/x"\n}\na\n2\nline\n'


def test_progress_without_a_terminal_is_lines_with_the_time() -> None:
    now = 100.0
    out = io.StringIO()
    with ProgressListener(out, clock=lambda: now) as listener:
        listener(Event(Kind.STARTED, "image", "building"))
        for step in range(100):
            now += 0.1
            listener(Event(Kind.PROGRESS, "image", "packages", step / 100))
        listener(Event(Kind.DONE, "image"))
        listener(Event(Kind.NOTE, "hint", "all is well"))
    lines = out.getvalue().splitlines()
    assert lines[0] == "   0.0 s  … image: building"
    assert lines[-2] == "  10.0 s  ✓ image (10.0 s)"
    assert lines[-1] == "  10.0 s  · hint: all is well"
    assert 3 <= len(lines) <= 6
    assert any("% : packages" in line or "%: packages" in line for line in lines)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_keeps_what_is_done() -> None:
    out = Terminal()
    with ProgressListener(out) as listener:
        listener(Event(Kind.STARTED, "apply [base]", "on c1"))
        listener(Event(Kind.PROGRESS, "apply [base]", "on c2", 0.5))
        listener(Event(Kind.FAILED, "apply [base]", "c2 said [no]"))
    assert "✗ apply [base]: c2 said [no]" in out.getvalue()


def test_termination_lets_the_work_clean_up() -> None:
    cleaned = []
    before = signal.getsignal(signal.SIGTERM)

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(Terminated) as caught:
        run_async(work())
    assert cleaned == [True]
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_interruption_lets_the_work_clean_up() -> None:
    cleaned = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_async(work())
    assert cleaned == [True]


def test_async_results_and_errors_come_through() -> None:
    async def good() -> int:
        return 3

    async def bad() -> None:
        raise SpecError("x", ())

    assert run_async(good()) == 3
    with pytest.raises(SpecError):
        run_async(bad())


@pytest.mark.parametrize(
    ("sent", "error"), [(signal.SIGINT, click.Abort), (signal.SIGTERM, Terminated)], ids=("Ctrl-C", "SIGTERM")
)
def test_a_signal_at_a_question_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch, sent: signal.Signals, error: type[Exception]
) -> None:
    """An event loop hears a signal only when it is its turn again: after the answer."""
    cleaned, answers = [], []

    def typing(prompt: str) -> str:
        os.kill(os.getpid(), sent)
        return "y"

    async def work() -> None:
        try:
            answers.append(confirm("Break it?"))
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    monkeypatch.setattr("click.termui.visible_prompt_func", typing)
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises((error, KeyboardInterrupt)) as caught:
        run_async(work())
    assert caught.type is error
    assert answers == []
    assert cleaned == [True]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
