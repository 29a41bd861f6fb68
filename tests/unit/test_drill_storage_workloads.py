"""Clients of services of the user's own, on nodes in memory: who is written to, what counts, what is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from quorate.drill import recorder
from quorate.drill.contract import Attempt, Scene
from quorate.drill.history import Clock, Writer, load
from quorate.drill.model import Phase
from quorate.drill.watch import Watch
from quorate.drill.workloads.own_page import OwnPage
from quorate.drill.workloads.record_writer import NotWritten, RecordWriter
from quorate.spec.model import Cluster
from quorate.transport.base import Completed

DISK, MOUNT = "/dev/disk/by-id/quorate-web", "/srv/web"
CLUSTER = Cluster.model_validate(
    {
        "apiVersion": "quorate/v1",
        "cluster": "t",
        "networks": {"cluster": {"cidr": "10.0.0.0/24"}},
        "nodes": {name: {"addresses": {"cluster": f"10.0.0.{n}"}} for n, name in enumerate(("w1", "w2"), 1)},
        "services": {
            "web": {
                "unit": "apache2",
                "vip": "10.0.0.20",
                "port": 80,
                "health": {"http": "/", "interval_s": 5},
                "storage": {"device": DISK, "mount": MOUNT},
            },
            "both": {"unit": "b", "mode": "active/active", "vip": "10.0.0.21", "port": 81, "tls": True,
                     "health": {"http": "/x"}},
            "mute": {"unit": "m"},
        },
    }
)  # fmt: skip


class Nodes:
    """Nodes with a recorder each, on one shared disk."""

    def __init__(self) -> None:
        self.disk, self.says = b"", dict[str, Callable[[bytes], None]]()
        self.holder, self.broken = "w1", ""

    async def talk(
        self,
        node: str,
        argv: Sequence[str],
        *,
        feed: Callable[[], Awaitable[bytes]],
        on_line: Callable[[bytes], None],
        timeout_s: float,
    ) -> Completed:
        self.says[node] = on_line
        if node == self.holder:
            on_line(b"mounted\n")
        while word := await feed():
            if self.broken:
                on_line(f"no {int(word)} {self.broken}\n".encode())
            elif node == self.holder:
                self.disk += recorder.line(int(word))
                on_line(f"ok {int(word)}\n".encode())
        return Completed(0, b"", b"")

    def move(self, node: str) -> None:
        """Unmount here, mount there."""
        self.says[self.holder](b"gone\n")
        self.holder = node
        self.says[node](b"mounted\n")

    async def run(self, node: str, argv: Sequence[str], **_: Any) -> Completed:
        if argv[0] == "cat" and argv[1].startswith("/proc"):
            held = f"41 1 7:1 / {MOUNT} rw - ext4 {DISK} rw\n" if node == self.holder else ""
            return Completed(0, held.encode(), b"")
        return Completed(0, self.disk if node == self.holder else b"", b"")


class Bench:
    """Sees that w1 lives and has the disk."""

    def boot(self, node: str) -> str:
        return f"{node}-1"

    def mounts(self, node: str) -> frozenset[str]:
        return frozenset({DISK}) if node == "w1" else frozenset()


def scene(nodes: Nodes, bench: Any = None, **more: Any) -> Scene:
    nothing: Any = None
    its: Any = nodes
    vips = {"web": "10.0.0.20", "both": "10.0.0.21"}
    services = frozenset(CLUSTER.services)
    return Scene("r", CLUSTER, nothing, "", vips, {}, its, nothing, bench=bench, services=services, **more)


async def write(writer: RecordWriter, number: int) -> None:
    async with asyncio.timeout(5):
        await writer.request(Attempt(number, Phase.FAULT))


async def test_records_follow_the_mount_and_come_back_in_order() -> None:
    nodes = Nodes()
    (writer,) = RecordWriter.make(scene(nodes))
    assert writer.name == "web-records"
    await writer.open()
    await write(writer, 0)
    nodes.move("w2")
    await asyncio.gather(*(write(writer, number) for number in (1, 2, 3)))
    (readback,) = await writer.read_back()
    assert (readback.keys, readback.ordered) == ((0, 1, 2, 3), True)
    assert "w2" in readback.source
    await writer.close()


async def test_a_record_that_was_not_written_is_not_acknowledged() -> None:
    nodes = Nodes()
    (writer,) = RecordWriter.make(scene(nodes))
    await writer.open()
    nodes.broken = "No space left on device"
    attempt = Attempt(7, Phase.FAULT)
    with pytest.raises(NotWritten, match="w1: No space"):
        await writer.request(attempt)
    assert attempt.sent, "from here on nobody knows"
    await writer.close()


async def test_while_nobody_has_it_mounted_nothing_is_sent() -> None:
    nodes = Nodes()
    (writer,) = RecordWriter.make(scene(nodes))
    await writer.open()
    nodes.says["w1"](b"gone\n")
    attempt = Attempt(1, Phase.FAULT)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await writer.request(attempt)
    assert not attempt.sent
    await writer.close()


def test_pages_are_named_after_their_services() -> None:
    pages = OwnPage.make(scene(Nodes()))
    assert [page.name for page in pages] == ["web", "web-patient", "both", "both-patient"]
    web, patient, both, _ = pages
    assert (web.budget("power-off", ""), web.budget("move", "web"), web.budget("kill", "web")) == (4, 1, 10)
    assert (patient.budget("power-off", ""), patient.budget("move", "web")) == (None, 0)
    assert (both.budget("power-off", ""), both.budget("hang", "both")) == (3, 2)
    assert both.budget("bmc-lying", "") is None


def test_what_was_on_an_unconfirmed_node_has_to_wait() -> None:
    more = {"unfenceable": True, "held": frozenset({"web", "both"})}
    web, _, both, _ = OwnPage.make(scene(Nodes(), **more))
    assert (web.waits, web.budget("bmc-dead", "")) == (True, None)
    assert (both.waits, both.budget("bmc-dead", "")) == (False, 4.0)


@pytest.mark.parametrize(("bench", "source"), [(Bench(), "outside"), (None, "the nodes")])
async def test_what_is_mounted_where_is_written_down(tmp_path: Path, bench: Any, source: str) -> None:
    with Writer(tmp_path / "r", Clock()) as writer:
        watch = Watch(scene(Nodes(), bench), writer)
        looking = asyncio.create_task(watch.run())
        await asyncio.sleep(0.25)
        watch.stop()
        await looking
    history = load(tmp_path / "r")
    (seen,) = history.all("seen")
    assert seen["mounts"] == {"w1": [DISK], "w2": []}
    watched = history.first("watched")
    assert watched is not None
    assert watched["source"] == source
