"""Two operators never work at the same time, and a lock that is met is always explained."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine_things import NODES

from quorate.engine import lock
from quorate.errors import ApplyError, PreconditionError
from quorate.transport.base import Command, Completed, Transport
from quorate.transport.fake import FakeNode, LocalNode


class Shelf:
    """Nodes whose agents are real processes here; each one's lock is in a folder of its own."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.dead: set[str] = set()

    def __call__(self, node: str) -> Transport:
        return FakeNode(node, trouble="refuse") if node in self.dead else _Rooted(node, self.path)


class _Rooted(LocalNode):
    """The lock's path, below this node's folder."""

    def __init__(self, node: str, root: Path) -> None:
        super().__init__(node)
        self.root = root

    async def run(self, command: Command) -> Completed:
        return await self.rewritten(command, lambda args: {**args, "path": f"{self.root}/{self.node}/lock"})


async def test_the_second_operator_is_told_who_has_it(tmp_path: Path) -> None:
    connect = Shelf(tmp_path)
    async with lock.held(connect, NODES, "roll c1"):
        with pytest.raises(ApplyError) as caught:
            async with lock.held(connect, NODES, "apply"):
                pytest.fail("two operators at once")
        assert "roll c1" in str(caught.value) and "quorate unlock" in str(caught.value)
        assert set(await lock.holders(connect, NODES)) == set(NODES), "a refused taker leaves it as it was"
    assert not await lock.holders(connect, NODES)
    async with lock.held(connect, NODES, "apply"):
        pass


async def test_it_is_let_go_after_an_error_and_after_a_cancellation(tmp_path: Path) -> None:
    connect = Shelf(tmp_path)
    with pytest.raises(RuntimeError):
        async with lock.held(connect, NODES, "apply"):
            raise RuntimeError

    inside = asyncio.Event()

    async def work() -> None:
        async with lock.held(connect, NODES, "apply"):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await lock.holders(connect, NODES)


async def test_all_or_nothing(tmp_path: Path) -> None:
    connect = Shelf(tmp_path)
    async with lock.held(connect, ["c3"], "somebody on c3 only"):
        with pytest.raises(ApplyError):
            async with lock.held(connect, NODES, "apply"):
                pytest.fail("held without c3")
        assert set(await lock.holders(connect, NODES)) == {"c3"}


async def test_a_majority_is_enough_and_a_minority_is_not(tmp_path: Path) -> None:
    connect = Shelf(tmp_path)
    connect.dead = {"c1"}
    async with lock.held(connect, NODES, "apply"):
        pass
    connect.dead = {"c1", "c2"}
    with pytest.raises(PreconditionError, match="majority"):
        async with lock.held(connect, NODES, "apply"):
            pytest.fail("held by a minority")
    connect.dead = set()
    assert not await lock.holders(connect, NODES)


async def test_a_dead_operators_lock_is_explained_never_stolen_and_can_be_broken(tmp_path: Path) -> None:
    connect = Shelf(tmp_path)
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    gone = {**lock.myself("apply"), "pid": process.pid, "since": 0.0}
    for node in NODES:
        await lock._fix(connect, node, {"path": lock.PATH}, gone)
    with pytest.raises(ApplyError, match="no longer runs"):
        async with lock.held(connect, NODES, "apply"):
            pytest.fail("stolen")
    assert set(await lock.break_lock(connect, NODES)) == set(NODES)
    async with lock.held(connect, NODES, "apply"):
        pass
