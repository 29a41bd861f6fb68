"""Who is meant: by name, by what a node really holds, and when nobody can say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quorate.drill import drills, targets
from quorate.drill.contract import Scene
from quorate.drill.history import Clock
from quorate.drill.targets import resolve
from quorate.drill.view import View
from quorate.drill.workloads.message_publish import MessagePublish
from quorate.errors import DrillError, UnreachableError, UsageError
from quorate.home import Home
from quorate.transport.base import Command, Completed

VIP = "10.0.1.101"


class Transport:
    def __init__(self, node: str, holds: Sequence[str], *, up: bool) -> None:
        self.node, self.holds, self.up = node, holds, up

    async def run(self, command: Command) -> Completed:
        if not self.up:
            raise UnreachableError("no answer", where=self.node)
        links = [{"ifname": "eth1", "addr_info": [{"local": each} for each in (*self.holds, "10.0.1.9")]}]
        return Completed(0, json.dumps(links).encode(), b"")

    async def close(self) -> None:
        return


def seen(**holds: Sequence[str] | None) -> tuple[Scene, View]:
    """A scene whose nodes hold these addresses; None: the node does not answer."""
    nodes = {node: Transport(node, held or (), up=held is not None) for node, held in holds.items()}
    platform: Any = SimpleNamespace(ctx=SimpleNamespace(controllers=tuple(holds)))
    view = View(platform, nodes.__getitem__, Clock())
    cluster: Any = SimpleNamespace(nodes=holds, controllers=tuple(holds), computes=(), services={})
    nothing: Any = None
    services = frozenset({"keystone", "galera", "rabbitmq"})
    scene = Scene("r", cluster, nothing, "", {"keystone": VIP}, {}, view.nodes, nothing, services=services)
    return scene, view


async def test_a_node_is_itself() -> None:
    scene, view = seen(c1=(), c2=())
    assert await resolve("c2", "", scene, view) == "c2"


async def test_the_holder_is_who_has_the_address() -> None:
    scene, view = seen(c1=(), c2=(VIP,), c3=())
    assert await resolve("vip-holder", "", scene, view) == "c2"
    assert await view.holders([VIP, "10.0.1.102"]) == {VIP: ["c2"], "10.0.1.102": []}


async def test_two_holders_or_none_are_no_target() -> None:
    for held in ((VIP,), ()):
        scene, view = seen(c1=held, c2=held)
        with pytest.raises(DrillError, match="held by"):
            await resolve("vip-holder", "keystone", scene, view)


async def test_a_node_that_does_not_answer_leaves_it_open() -> None:
    scene, view = seen(c1=(VIP,), c2=None)
    with pytest.raises(DrillError):
        await resolve("vip-holder", "", scene, view)


async def test_an_unknown_target_names_the_choices() -> None:
    scene, view = seen(c1=(), c2=())
    with pytest.raises(UsageError, match="c9") as caught:
        await resolve("c9", "", scene, view)
    assert "vip-holder" in str(caught.value)


async def test_a_database_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(scene: Scene) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(targets, "_answering", never)
    monkeypatch.setattr(targets, "WAIT_S", 0.05)
    scene, view = seen(c1=(), c2=())
    async with asyncio.timeout(10):
        with pytest.raises(DrillError, match="who writes") as caught:
            await resolve("db-writer", "", scene, view)
    assert "no answer within" in caught.value.evidence


class Broker(MessagePublish):
    """Keeps the names of its queues, and can lose the connection when one is deleted."""

    queues: set[str]
    stuck = False

    def __init__(self, scene: Scene) -> None:
        self.queue = f"quorate.drill.{scene.run}"

    async def open(self) -> None:
        self.queues.add(self.queue)

    async def forget(self) -> None:
        if self.stuck:
            raise ConnectionResetError("gone")
        self.queues.discard(self.queue)

    async def close(self) -> None:
        return


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> type[Broker]:
    monkeypatch.setattr(Broker, "queues", set(), raising=False)
    monkeypatch.setattr(targets, "MessagePublish", Broker)
    return Broker


def answering(scene: Scene, leader: str) -> Scene:
    """The same, with a broker that says who leads; "" for one that says nonsense."""

    async def run(node: str, argv: Sequence[str], **_: Any) -> Completed:
        said = json.dumps([{"name": f"quorate.drill.{scene.run}", "leader": f"rabbit@{leader}"}])
        return Completed(0, (said if leader else "?").encode(), b"")

    nodes: Any = SimpleNamespace(run=run)
    return replace(scene, nodes=nodes)


async def test_the_leader_is_asked_for_a_queue_of_the_drills_own(broker: type[Broker]) -> None:
    scene, view = seen(c1=(), c2=())
    assert await resolve("queue-leader", "", answering(scene, "c2"), view) == "c2"
    assert broker.queues == {"quorate.drill.r"}
    await targets.forget("vip-holder", scene)
    assert broker.queues
    await targets.forget("queue-leader", scene)
    assert not broker.queues


async def test_no_leader_leaves_no_queue(broker: type[Broker]) -> None:
    scene, view = seen(c1=(), c2=())
    with pytest.raises(DrillError, match="who leads"):
        await resolve("queue-leader", "", answering(scene, ""), view)
    assert not broker.queues


async def test_a_queue_that_stays_is_named(broker: type[Broker], monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = seen(c1=(), c2=())
    monkeypatch.setattr(broker, "stuck", True)
    with pytest.raises(DrillError, match="left behind") as caught:
        await targets.forget("queue-leader", scene)
    assert caught.value.next_step.endswith("rabbitmqctl delete_queue quorate.drill.r")


@pytest.mark.parametrize("begun", [False, True])
async def test_a_drill_that_nobody_agrees_to_leaves_no_queue(
    broker: type[Broker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun: bool
) -> None:
    scene, _ = seen(c1=(), c2=())
    scene = replace(answering(scene, "c2"), services=frozenset({"rabbitmq"}))

    @asynccontextmanager
    async def connector(*_: object) -> AsyncIterator[None]:
        yield None

    async def held(*_: object) -> frozenset[str]:
        return frozenset()

    monkeypatch.setattr(drills, "_held", held)
    whole = SimpleNamespace(services={}, ctx=SimpleNamespace(controllers=("c1", "c2")))
    monkeypatch.setattr(drills, "platform", lambda *_: whole)
    monkeypatch.setattr(drills, "connector", connector)
    monkeypatch.setattr(drills, "_scene", lambda *_: scene)
    home = Home(tmp_path / "home")
    wish = drills.Wish("power-off", "queue-leader")
    with pytest.raises(UsageError, match="not agreed"):
        async with drills.prepare(wish, scene.cluster, home, tmp_path / "cluster.yaml") as prepared:
            assert prepared.scene.victim == "c2"
            assert broker.queues
            if begun:
                prepared.folder.mkdir(parents=True)
            raise UsageError("not agreed")
    assert bool(broker.queues) is begun
