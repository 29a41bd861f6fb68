"""Rotation on nodes that come and go: completed when interrupted, refused when it would be unsafe."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_things import NODES, connect_to

from quorate.errors import ApplyError, PreconditionError
from quorate.operations.rotate import HAS_IT, Keys, Rotation, rotate_fernet
from quorate.secrets import fernet
from quorate.transport.fake import FakeNode

PATH = "/etc/keystone/fernet-keys"
RING = f"keyring:{PATH}"


class Plane:
    """Three nodes that have the keys of an applied cluster."""

    def __init__(self, folder: Path) -> None:
        self.keys = Keys(folder, "keystone-fernet.json", PATH, "keystone", 5)
        self.nodes = {name: FakeNode(name) for name in NODES}
        self.apply(*NODES)

    def apply(self, *names: str) -> None:
        for name in names:
            self.nodes[name].states[RING] = {"keys": self.now.digests(), "private": True}

    @property
    def now(self) -> fernet.Repository:
        return fernet.load(self.keys.folder, self.keys.name)

    def has(self, name: str) -> bool:
        return bool(self.nodes[name].states[RING]["keys"] == self.now.digests())

    async def rotate(self) -> Rotation:
        return await rotate_fernet(self.keys, NODES, connect_to(self.nodes))


@pytest.fixture
def plane(tmp_path: Path) -> Plane:
    return Plane(tmp_path)


async def test_all_nodes_have_it_afterwards(plane: Plane) -> None:
    staged = plane.now.keys[fernet.STAGED]
    done = await plane.rotate()
    assert done.generation == 2 and not done.completed
    assert set(done.nodes.values()) == {HAS_IT}
    assert all(plane.has(name) for name in NODES)
    assert plane.now.keys[plane.now.primary] == staged
    assert not plane.now.pending


async def test_once_with_a_node_down_then_not_again_until_it_is_back(plane: Plane) -> None:
    plane.nodes["c3"].trouble = "refuse"
    done = await plane.rotate()
    assert done.nodes["c1"] == HAS_IT and done.nodes["c3"] != HAS_IT
    before = plane.now
    with pytest.raises(PreconditionError) as caught:
        await plane.rotate()
    assert "c3" in str(caught.value) and "apply" in caught.value.next_step
    assert plane.now == before, "nothing was rotated"
    plane.nodes["c3"].trouble = ""
    again = await plane.rotate()
    assert again.generation == 3 and all(plane.has(name) for name in NODES)


async def test_a_node_that_was_seen_up_to_date_may_be_down(plane: Plane) -> None:
    await plane.rotate()
    plane.nodes["c2"].trouble = "refuse"
    assert (await plane.rotate()).generation == 3
    with pytest.raises(PreconditionError):
        await plane.rotate()


async def test_an_interrupted_rotation_is_completed_not_doubled(plane: Plane) -> None:
    plane.nodes["c2"].breaks[RING] = "disk full"
    with pytest.raises(ApplyError, match="failed"):
        await plane.rotate()
    assert plane.now.generation == 2 and plane.now.pending
    plane.nodes["c2"].breaks.clear()
    done = await plane.rotate()
    assert done.completed and done.generation == 2
    assert all(plane.has(name) for name in NODES) and not plane.now.pending
    assert (await plane.rotate()).generation == 3


async def test_without_a_majority_nothing_is_touched(plane: Plane) -> None:
    before = plane.now
    plane.nodes["c1"].trouble = plane.nodes["c2"].trouble = "refuse"
    with pytest.raises(PreconditionError):
        await plane.rotate()
    assert plane.now == before


async def test_keys_travel_on_standard_input_only(plane: Plane) -> None:
    await plane.rotate()
    for node in plane.nodes.values():
        for command in node.commands:
            assert not any(key in word for key in plane.now.keys.values() for word in command.argv)
