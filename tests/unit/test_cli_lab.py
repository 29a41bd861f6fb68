"""Which lab is meant, what it still needs from this host, and what it must not take over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate.cli import lab_machines
from quorate.errors import PreconditionError, SpecError, UsageError
from quorate.home import Home
from quorate.lab import cgroup, lower, network, power, setup
from quorate.lab.cgroup import Group
from quorate.lab.layout import NodeFolder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state root of the test's own, and services that are not judged."""
    monkeypatch.setenv("QUORATE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("QUORATE_NAME", raising=False)
    monkeypatch.setattr(lab_machines, "catalogue", lambda: None)
    return tmp_path / "state"


def test_without_a_word_it_is_the_lab_called_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "is_on", lambda node: False)
    wanted = lab_machines.wanted(None, None)
    assert (wanted.folder.name, wanted.file, wanted.cluster) == ("lab", None, None)
    room = wanted.room()
    assert (room["to_make"], room["images"]) == (5, 2)
    assert 10_000 < room["memory_mib"] < 16_384


def test_a_running_lab_of_a_file_asks_for_nothing_that_it_has(
    monkeypatch: pytest.MonkeyPatch, write_spec: Callable[[Any], Path], good_spec: Any
) -> None:
    wanted = lab_machines.wanted(str(write_spec(good_spec)), None)
    assert wanted.folder.name == "demo"

    def on(node: NodeFolder) -> bool:
        return node.node != "c3"

    monkeypatch.setattr(power, "is_on", on)
    for name in ("c1", "c2"):
        wanted.folder.node(name).path.mkdir(parents=True)
        wanted.folder.node(name).disk.touch()
    recipes, store = lab_machines.images_of(wanted.folder, wanted.cluster)
    for key in {recipe.key for recipe in recipes.values()}:
        store.rootfs(key).mkdir(parents=True)
    room = wanted.room()
    assert (room["to_make"], room["images"]) == (1, 0)
    assert 500 < room["memory_mib"] < 2000


def test_file_and_name_must_agree(write_spec: Callable[[Any], Path], good_spec: Any) -> None:
    with pytest.raises(UsageError, match="--name says other"):
        lab_machines.wanted(str(write_spec(good_spec)), "other")


def test_a_file_with_mistakes_is_refused(write_spec: Callable[[Any], Path]) -> None:
    with pytest.raises(SpecError):
        lab_machines.wanted(str(write_spec("nodes: {}")), None)


def test_a_cluster_on_other_hosts_is_not_taken_over_and_not_forgotten(
    state: Path, monkeypatch: pytest.MonkeyPatch, write_spec: Callable[[Any], Path], good_spec: Any
) -> None:
    path, home = write_spec(good_spec), Home.of("demo", state)
    home.create()
    home.spec.symlink_to(path)  # what `quorate apply FILE` leaves
    for file, name in ((str(path), None), (None, "demo")):
        with pytest.raises(UsageError, match="none of this host's labs"):
            lab_machines.wanted(file, name)
    monkeypatch.setattr(lower, "halt", lambda root, lab: None)
    monkeypatch.setattr(network, "owned", dict)
    lower.down(state, lower.Found("demo"), lambda event: None)
    assert home.spec.exists()


def test_machines_of_another_state_root_are_not_taken_for_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "quorate.lab.c1"
    group.mkdir()
    (group / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    monkeypatch.setattr(cgroup, "find", lambda: {("lab", "c1"): Group(group)})
    folder = lab_machines.wanted(None, None).folder
    with pytest.raises(PreconditionError, match="c1") as caught:
        setup.check_mine(folder)
    assert "QUORATE_STATE" in str(caught.value)
    folder.node("c1").path.mkdir(parents=True)
    folder.node("c1").machine.touch()
    setup.check_mine(folder)
