"""The workload that stores objects: every copy is looked for, and replication is given time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_services_swift import cluster

from quorate.drill.contract import Scene
from quorate.drill.workloads import object_write
from quorate.drill.workloads.object_write import ObjectWrite
from quorate.errors import UnreachableError
from quorate.secrets.store import Secrets
from quorate.transport.base import Completed


class Disks:
    """Nodes whose disks hold what is said; each look at one takes the next of its lists."""

    def __init__(self, **held: list[set[int]] | None) -> None:
        self.held, self.asked = held, ""

    async def run(
        self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 20.0
    ) -> Completed:
        self.asked = stdin.decode()
        held = self.held[node]
        if held is None:
            raise UnreachableError("it does not answer", where=node)
        numbers = held.pop(0) if len(held) > 1 else held[0]
        out = "".join(f"{number}\n" for number in sorted(numbers))
        return Completed(exit=0, stdout=out.encode(), stderr=b"")

    async def talk(self, *args: Any, **named: Any) -> Completed:
        raise AssertionError("nobody is talked to")


def workload(folder: Path, disks: Disks, monkeypatch: pytest.MonkeyPatch) -> ObjectWrite:
    monkeypatch.setattr(object_write, "COMPLETE_S", 0.2)
    monkeypatch.setattr(object_write, "AGAIN_S", 0.01)
    its = ObjectWrite(
        Scene(
            run="r",
            cluster=cluster(),
            secrets=Secrets(folder),
            ca_file="",
            vips={"swift": "10.77.1.103"},
            ports={"swift": 8080},
            nodes=disks,
            power=None,  # type: ignore[arg-type]
            services=frozenset({"swift"}),
        )
    )
    its._account, its._stored = "AUTH_p1", {0, 1}
    return its


def test_where_an_object_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    its = workload(tmp_path, Disks(), monkeypatch)
    prefix, suffix = ((tmp_path / f"swift-hash-{part}").write_text(part) for part in ("prefix", "suffix"))
    assert prefix and suffix
    found = hashlib.md5(b"prefix/AUTH_p1/quorate-drill-r/7suffix").digest()
    partition = int.from_bytes(found[:4], "big") >> (32 - 10)
    assert its.folder(7) == f"objects/{partition}/{found.hex()[-3:]}/{found.hex()}"


async def test_all_copies_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disks = Disks(c1=[{0, 1}], c2=[{0, 1}], c3=[{0, 1}])
    found = await workload(tmp_path, disks, monkeypatch).read_back()
    assert [(one.source, one.keys, one.error) for one in found] == [
        ("1st copy", (0, 1), ""),
        ("2nd copy", (0, 1), ""),
        ("3rd copy", (0, 1), ""),
    ]
    assert {line.split()[0] for line in disks.asked.splitlines()} >= {"0", "1", "2"}, "unknown ones too"


async def test_a_node_that_was_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disks = Disks(c1=[{0, 1}], c2=[{0, 1}], c3=[{0}, {0}, {0, 1}])
    found = await workload(tmp_path, disks, monkeypatch).read_back()
    assert found[-1].keys == (0, 1)


async def test_a_copy_that_never_comes_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disks = Disks(c1=[{0, 1}], c2=[{0, 1}], c3=[{0}])
    found = await workload(tmp_path, disks, monkeypatch).read_back()
    assert [one.keys for one in found] == [(0, 1), (0, 1), (0,)] and not found[-1].error


async def test_a_disk_that_cannot_be_read_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks = Disks(c1=[{0, 1}], c2=[{0, 1}], c3=None)
    found = await workload(tmp_path, disks, monkeypatch).read_back()
    assert all("c3" in one.error for one in found)


def test_its_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    its = workload(tmp_path, Disks(), monkeypatch)
    assert its.budget("power-off", "") == 5.0 and its.budget("hang", "swift") == 5.0
    assert its.budget("bmc-lying", "") is None
