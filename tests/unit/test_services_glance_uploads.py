"""Uploads that died with their node: undone when it is certain that nobody is at them, and by one node."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from quorate.services.rendering import TEMPLATES

IMAGE = "5a3e1b0c-0000-4000-8000-000000000001"


@pytest.fixture
def uploads() -> ModuleType:
    """The program, as a module of its own for each test."""
    spec = importlib.util.spec_from_file_location("glance_uploads", TEMPLATES / "glance" / "uploads.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Store:
    """Images, and whether somebody has them open."""

    def __init__(self, image: bool | None = None) -> None:
        self.held = {IMAGE: image}
        self.removed: list[str] = []

    def watched(self, image: str) -> bool | None:
        return self.held.get(image)

    def remove(self, image: str) -> None:
        self.removed.append(image)


def test_an_upload_that_somebody_is_at_is_left_alone(uploads: ModuleType) -> None:
    store = Store(image=True)
    quiet, done = uploads.clean([(IMAGE, "saving")], store, {IMAGE: 0.0}, 1e6, lambda _: True)
    assert quiet == {} and not done and not store.removed, "and its time begins anew"


def test_quiet_has_to_last(uploads: ModuleType) -> None:
    store = Store(image=False)
    quiet, done = uploads.clean([(IMAGE, "saving")], store, {}, 100.0, lambda _: True)
    assert quiet == {IMAGE: 100.0} and not done
    later = 100.0 + uploads.QUIET_S - 1
    quiet, done = uploads.clean([(IMAGE, "saving")], store, quiet, later, lambda _: True)
    assert quiet == {IMAGE: 100.0} and not done and not store.removed
    quiet, done = uploads.clean([(IMAGE, "saving")], store, quiet, later + 2, lambda _: True)
    assert quiet == {} and IMAGE in done[0] and store.removed == [IMAGE]


def test_data_stays_where_the_upload_ended_well_meanwhile(uploads: ModuleType) -> None:
    store = Store(image=False)
    _, done = uploads.clean([(IMAGE, "saving")], store, {IMAGE: 0.0}, 1e6, lambda _: False)
    assert not done and not store.removed, "the database says that it is no longer saving"


def test_an_upload_without_any_data_yet_is_queued_again(uploads: ModuleType) -> None:
    store = Store()
    _, done = uploads.clean([(IMAGE, "saving")], store, {IMAGE: 0.0}, 1e6, lambda _: True)
    assert done and not store.removed


def test_what_an_interrupted_round_left_of_the_data_goes_too(uploads: ModuleType) -> None:
    store = Store(image=False)
    _, done = uploads.clean(
        [(IMAGE, "queued")], store, {IMAGE: 0.0}, 1e6, lambda _: pytest.fail("it is queued")
    )
    assert done and store.removed == [IMAGE]
    quiet, done = uploads.clean([(IMAGE, "queued")], Store(), {}, 0.0, lambda _: True)
    assert not quiet and not done, "queued and without data: as it should be"


def test_the_status_goes_before_the_data(uploads: ModuleType) -> None:
    order: list[str] = []

    class Told(Store):
        def remove(self, image: str) -> None:
            order.append("data")

    uploads.clean(
        [(IMAGE, "saving")], Told(image=False), {IMAGE: 0.0}, 1e6, lambda _: not order.append("status")
    )
    assert order == ["status", "data"]


def test_a_storage_that_does_not_tell_is_no_quiet_one(
    uploads: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "run", lambda *_, **__: (110, "", "timed out"))
    with pytest.raises(RuntimeError, match="timed out"):
        uploads.Store("images", "glance").watched(IMAGE)
    monkeypatch.setattr(uploads, "run", lambda *_, **__: (2, "", "No such file or directory"))
    assert uploads.Store("images", "glance").watched(IMAGE) is None
    answer = json.dumps({"watchers": [{"address": "10.77.0.11:0/1"}]})
    monkeypatch.setattr(uploads, "run", lambda *_, **__: (0, answer, ""))
    assert uploads.Store("images", "glance").watched(IMAGE) is True


def test_a_round_remembers_and_a_failed_one_changes_nothing(
    uploads: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "quorate" / "uploads.json"
    monkeypatch.setattr(uploads, "STATE", state)
    monkeypatch.setattr(uploads.sys, "argv", ["x", "--pool", "images", "--client", "glance"])
    monkeypatch.setattr(uploads, "sql", lambda _: [[IMAGE, "saving"]])
    monkeypatch.setattr(uploads, "run", lambda *_, **__: (0, '{"watchers": []}', ""))
    assert uploads.main() == 0 and list(json.loads(state.read_text())) == [IMAGE]
    before = state.read_text()

    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("rbd", 30)

    monkeypatch.setattr(uploads, "run", late)
    assert uploads.main() == 1 and state.read_text() == before
    assert "rbd" in capsys.readouterr().err
