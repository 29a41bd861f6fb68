"""Rings: made once, changed by one node, the same on all, and never made anew where there may be some."""

from __future__ import annotations

import array
import gzip
import importlib.util
import json
import shutil
import struct
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from quorate.services.rendering import TEMPLATES

PARTS = 16


class Builder:
    """Swift's ring builder, as far as the program uses it: parts go round the devices, in the real format."""

    def __init__(self, part_power: int, replicas: int, hours: int) -> None:
        self.part_power, self.replicas, self.min_part_hours = part_power, replicas, hours
        self.devs: list[dict[str, Any] | None] = []
        self.ever_rebalanced, self.version, self.moved_at = False, 0, 0.0
        self.parts: list[list[int]] = []
        self.overload = 0.0

    @classmethod
    def load(cls, path: str) -> Builder:
        its = cls(0, 0, 0)
        vars(its).update(json.loads(Path(path).read_text()))
        return its

    @property
    def min_part_seconds_left(self) -> float:
        return max(0.0, self.moved_at + 3600 * self.min_part_hours - time.time())

    def change_min_part_hours(self, hours: int) -> None:
        self.min_part_hours = hours

    def set_overload(self, overload: float) -> None:
        self.overload = overload

    def set_replicas(self, replicas: int) -> None:
        self.replicas, self.moved_at = replicas, 0.0

    def add_dev(self, dev: dict[str, Any]) -> None:
        self.devs.append({**dev, "id": len(self.devs)})

    def set_dev_zone(self, number: int, zone: int) -> None:
        self._dev(number)["zone"] = zone

    def set_dev_weight(self, number: int, weight: float) -> None:
        self._dev(number)["weight"] = weight

    def remove_dev(self, number: int) -> None:
        self.devs[number] = None

    def _dev(self, number: int) -> dict[str, Any]:
        dev = self.devs[number]
        assert dev is not None
        return dev

    def rebalance(self, seed: str) -> tuple[int, float, int]:
        assert seed
        ids = [dev["id"] for dev in self.devs if dev is not None and dev["weight"] > 0]
        if len(ids) < self.replicas:
            raise ValueError(f"Replica count of {self.replicas} requires more than {len(ids)} devices")
        lost = any(number not in ids for row in self.parts for number in row)
        if self.parts and self.min_part_seconds_left and not lost:
            return 0, self.get_balance(), 0
        new = [
            [ids[(part + replica) % len(ids)] for part in range(PARTS)] for replica in range(self.replicas)
        ]
        moved = 0 if new == self.parts else PARTS
        self.parts, self.ever_rebalanced, self.moved_at = new, True, time.time()
        self.version += 1
        return moved, self.get_balance(), int(lost)

    def get_balance(self) -> float:
        return 0.5

    def validate(self) -> None:
        assert self.parts

    def save(self, path: str) -> None:
        Path(path).write_text(json.dumps(vars(self)))

    def get_ring(self) -> Builder:
        ring = Builder(self.part_power, self.replicas, self.min_part_hours)
        vars(ring).update(vars(self))
        ring.save = ring.save_ring  # type: ignore[method-assign]
        return ring

    def save_ring(self, path: str) -> None:
        head = {"devs": self.devs, "part_shift": 32 - self.part_power, "replica_count": len(self.parts)}
        text = json.dumps({**head, "version": self.version}).encode()
        with gzip.open(path, "wb") as file:
            file.write(struct.pack("!4sHI", b"R1NG", 1, len(text)) + text)
            for row in self.parts:
                file.write(array.array("H", row).tobytes())


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with a stand-in for Swift's builder, and peers that are folders beside each other."""
    spec = importlib.util.spec_from_file_location("swift_rings", TEMPLATES / "swift" / "rings.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    swift = ModuleType("swift.common.ring")
    swift.RingBuilder = Builder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "swift", ModuleType("swift"))
    monkeypatch.setitem(sys.modules, "swift.common", ModuleType("swift.common"))
    monkeypatch.setitem(sys.modules, "swift.common.ring", swift)

    def copy(request: dict[str, Any], peer: str, into: str, *, dry: bool = False) -> str:
        source = Path(request["peers"][peer])
        if not source.is_dir():
            raise module.Wrong(f"{peer} does not hand out its rings: refused")
        told = []
        for path in sorted([*source.glob("*.builder"), *source.glob("*.ring.gz")]):
            here = Path(into, path.name)
            if not here.exists() or here.read_bytes() != path.read_bytes():
                told.append(f">f {path.name}")
                if not dry:
                    shutil.copyfile(path, here)
        return "\n".join(told)

    monkeypatch.setattr(module, "copy", copy)
    monkeypatch.setattr(module, "PEERS_S", 0.2)
    monkeypatch.setattr(module, "POLL_S", 0.01)
    return module


NODES = ("c1", "c2", "c3")


def ask(folder: Path, node: str, devices: dict[str, float] | None = None, **other: Any) -> dict[str, Any]:
    """A request on ``node``; every node's rings are a folder below ``folder``."""
    for name in NODES:
        (folder / name).mkdir(exist_ok=True)
    wanted = {f"10.0.0.{n}": 100.0 for n in (1, 2, 3)} if devices is None else devices
    listed = [
        {"ip": ip, "port": 6200, "device": "d1", "zone": number, "weight": weight}
        for number, (ip, weight) in enumerate(wanted.items(), 11)
    ]
    return {
        "node": node,
        "keeper": "c1",
        "peers": {name: str(folder / name) for name in NODES},
        "folder": str(folder / node),
        "part_power": 4,
        "replicas": 3,
        "min_part_hours": 1,
        "rings": dict.fromkeys(("account", "container", "object"), listed),
        **other,
    }


FOUR = {f"10.0.0.{n}": 100.0 for n in (1, 2, 3, 4)}


def test_made_by_the_keeper_and_taken_by_the_others(rings: ModuleType, tmp_path: Path) -> None:
    assert "there is no ring yet" in rings.check(ask(tmp_path, "c1"))[0]
    rings.fix(ask(tmp_path, "c1"))
    assert rings.check(ask(tmp_path, "c1")) == []
    for node in ("c2", "c3"):
        assert rings.check(ask(tmp_path, node))
        rings.fix(ask(tmp_path, node))
        assert rings.check(ask(tmp_path, node)) == []
        for path in (tmp_path / "c1").iterdir():
            assert (tmp_path / node / path.name).read_bytes() == path.read_bytes()


def test_zones_come_before_weights(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1"))
    assert Builder.load(str(tmp_path / "c1" / "object.builder")).overload > 1


def test_a_second_time_nothing_changes(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1"))
    before = {path.name: path.read_bytes() for path in (tmp_path / "c1").iterdir()}
    assert rings.fix(ask(tmp_path, "c1")) == ""
    assert {path.name: path.read_bytes() for path in (tmp_path / "c1").iterdir()} == before


def test_none_are_made_while_a_peer_is_silent(rings: ModuleType, tmp_path: Path) -> None:
    request = ask(tmp_path, "c1")
    (tmp_path / "c3").rmdir()
    with pytest.raises(rings.Wrong, match="not known, so none are made: c3 does not hand out"):
        rings.fix(request)
    assert not list((tmp_path / "c1").iterdir())


def test_a_keeper_that_lost_its_disk_takes_what_the_others_have(rings: ModuleType, tmp_path: Path) -> None:
    for node in NODES:
        rings.fix(ask(tmp_path, node))
    kept = (tmp_path / "c2" / "object.ring.gz").read_bytes()
    shutil.rmtree(tmp_path / "c1")
    assert "took the rings of" in rings.fix(ask(tmp_path, "c1"))
    assert (tmp_path / "c1" / "object.ring.gz").read_bytes() == kept
    assert rings.check(ask(tmp_path, "c1")) == []


def test_an_added_device_changes_the_ring_that_is_there(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1", min_part_hours=0))
    wider = ask(tmp_path, "c1", FOUR, min_part_hours=0)
    assert "lacks 10.0.0.4/d1" in rings.check(wider)[0]
    rings.fix(wider)
    assert rings.check(wider) == []
    assert rings.version(tmp_path / "c1" / "object.ring.gz") == 2, "changed, not made anew"


def test_parts_do_not_move_twice_within_the_hour(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1"))
    kept = (tmp_path / "c1" / "account.builder").read_bytes()
    with pytest.raises(rings.Wrong, match=r"may move again in \d+ minutes"):
        rings.fix(ask(tmp_path, "c1", FOUR))
    assert (tmp_path / "c1" / "account.builder").read_bytes() == kept
    assert rings.check(ask(tmp_path, "c1", FOUR)), "and so the next apply tries again"


def test_a_device_that_is_gone_is_replaced_at_once(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1", FOUR))
    rings.fix(ask(tmp_path, "c1"))
    assert rings.check(ask(tmp_path, "c1")) == []


def test_weight_and_zone_are_looked_at(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1", min_part_hours=0))
    lighter = {"10.0.0.1": 50.0, "10.0.0.2": 100.0, "10.0.0.3": 100.0}
    assert "another weight or zone for 10.0.0.1/d1" in rings.check(ask(tmp_path, "c1", lighter))[0]


def test_the_number_of_partitions_cannot_change(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1"))
    assert "part_power is 4" in rings.check(ask(tmp_path, "c1", part_power=5))[0]
    with pytest.raises(rings.Wrong, match="say part_power: 4 in cluster"):
        rings.fix(ask(tmp_path, "c1", part_power=5))


def test_an_older_ring_never_replaces_a_newer_one(rings: ModuleType, tmp_path: Path) -> None:
    rings.fix(ask(tmp_path, "c1", min_part_hours=0))
    shutil.copytree(tmp_path / "c1", tmp_path / "old")
    rings.fix(ask(tmp_path, "c1", FOUR, min_part_hours=0))
    rings.fix(ask(tmp_path, "c2", FOUR, min_part_hours=0))
    shutil.rmtree(tmp_path / "c1")
    (tmp_path / "old").rename(tmp_path / "c1")
    with pytest.raises(rings.Wrong, match="ring of c1 is older than the one here"):
        rings.fix(ask(tmp_path, "c2", FOUR))


def test_a_ring_that_differs_is_found(rings: ModuleType, tmp_path: Path) -> None:
    for node in NODES:
        rings.fix(ask(tmp_path, node))
    path = tmp_path / "c2" / "object.builder"
    path.write_bytes(path.read_bytes() + b" ")
    assert rings.check(ask(tmp_path, "c2")) == [">f object.builder"]


def test_an_uneven_ring_is_looked_at_again_when_parts_may_move(
    rings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Builder, "get_balance", lambda its: 40.0)
    request = ask(tmp_path, "c1")
    rings.fix(request)
    assert rings.check(request) == [], "not before the hour is over"
    for name in request["rings"]:
        (tmp_path / "c1" / f"{name}.later").write_text(f"{time.time() - 1:.0f}")
    assert "next step" in rings.check(request)[0]
    assert "cannot be more even" in rings.fix(request)
    assert rings.check(request) == [], "it is not tried for ever"


def test_an_uneven_ring_is_right_for_now_also_without_a_pause(
    rings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Builder, "get_balance", lambda its: 40.0)
    request = ask(tmp_path, "c1", min_part_hours=0)
    rings.fix(request)
    assert rings.check(request) == []


def test_a_ring_that_was_not_written_any_more_is_made_from_its_builder(
    rings: ModuleType, tmp_path: Path
) -> None:
    rings.fix(ask(tmp_path, "c1"))
    path = tmp_path / "c1" / "object.ring.gz"
    path.unlink()
    rings.fix(ask(tmp_path, "c1"))
    assert rings.version(path) == 1 and rings.check(ask(tmp_path, "c1")) == []


def test_what_an_interrupted_change_left_is_removed(rings: ModuleType, tmp_path: Path) -> None:
    request = ask(tmp_path, "c1")
    (tmp_path / "c1" / ".work-x").mkdir()
    rings.fix(request)
    assert not list((tmp_path / "c1").glob(".work-*"))


def test_the_hash_of_an_object_store_in_use_cannot_change(rings: ModuleType, tmp_path: Path) -> None:
    old, new, ring = tmp_path / "old", tmp_path / "new", tmp_path / "object.ring.gz"
    old.write_text("[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n")
    new.write_text("[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = c\n")
    rings.same_hash(str(new), str(old), str(ring))
    ring.touch()
    rings.same_hash(str(old), str(old), str(ring))
    with pytest.raises(rings.Wrong, match="no object would be found"):
        rings.same_hash(str(new), str(old), str(ring))
