"""Append numbered records to the storage of each active/passive service, on whichever node has it mounted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from quorate.drill import recorder, watch
from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.ledger import ReadBack
from quorate.errors import DrillError, TransportError
from quorate.spec.own import nodes_of

SOURCE = Path(recorder.__file__)
LIFE_S = 7200.0
"""A recorder runs at most so long; a drill is over sooner, and ends it."""
AGAIN_S = 1.0
"""After a recorder ended (its node is off), before the next try to start one there."""
READY_S = 20.0


class NotWritten(Exception):
    """What the recorder had to say about a record that it did not acknowledge."""


class Post:
    """A recorder on one node: what it was told, and what it said."""

    def __init__(self, scene: Scene, node: str, mount: str, folder: str) -> None:
        self.node = node
        self.since = -1.0
        """When it said that its file system is mounted, on the loop's clock; below 0 while it is not."""
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.changed = asyncio.Event()
        self._scene, self._more = scene, asyncio.Queue[bytes]()
        source = SOURCE.read_text()
        self._argv = ("python3", "-u", "-c", source, mount, folder)

    async def keep(self) -> None:
        """Have a recorder there, again and again, until cancelled."""
        while True:
            self._more = asyncio.Queue()
            with suppress(TransportError):
                await self._scene.nodes.talk(
                    self.node, self._argv, feed=self._more.get, on_line=self._heard, timeout_s=LIFE_S
                )
            self._gone("its recorder ended")
            await asyncio.sleep(AGAIN_S)

    def send(self, number: int) -> asyncio.Future[None]:
        """Give it a number. The result comes when it is on the disk, or never."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        self._more.put_nowait(b"%d\n" % number)
        return future

    def _heard(self, row: bytes) -> None:
        words = row.decode(errors="replace").split(None, 2)
        match words:
            case ["mounted"]:
                self.since = asyncio.get_running_loop().time()
                self.changed.set()
            case ["gone"]:
                self._gone("its file system is not mounted there any more")
            case ["ok", number]:
                self._settle(int(number), "")
            case ["no", number, *why]:
                self._settle(int(number), " ".join(why) or "no reason given")

    def _settle(self, number: int, why: str) -> None:
        future = self.waiting.pop(number, None)
        if future is not None and not future.done():
            if why:
                future.set_exception(NotWritten(f"{self.node}: {why}"))
            else:
                future.set_result(None)

    def _gone(self, why: str) -> None:
        self.since = -1.0
        for number in tuple(self.waiting):
            self._settle(number, why)


class RecordWriter(Workload):
    """A record is acknowledged when it is on the disk. Records are sent one after the other, never twice.

    A recorder waits on every node of the service; the one whose file system was mounted last is written to.
    """

    name = "record-writer"
    summary = "appends numbered records to the storage of each active/passive service, each one synced"
    service = "own"
    writes = True
    judged = False

    def __init__(self, scene: Scene, service: str = "") -> None:
        super().__init__(scene)
        self.service, self.name = service, f"{service}-records"
        self._mount = watch.storage(scene)[service].mount
        self._folder = f".quorate-drill-{scene.run}"
        nodes = nodes_of(scene.cluster, scene.own[service])
        self._posts = [Post(scene, node, self._mount, self._folder) for node in nodes]
        self._keeping: list[asyncio.Task[None]] = []
        self._turn = asyncio.Lock()

    @classmethod
    def make(cls, scene: Scene) -> Sequence[RecordWriter]:
        """One for each service with storage on one node at a time."""
        return tuple(cls(scene, service) for service in watch.storage(scene))

    async def open(self) -> None:
        """Recorders on all its nodes; one of them has the file system."""
        self._keeping = [asyncio.create_task(post.keep()) for post in self._posts]
        try:
            async with asyncio.timeout(READY_S):
                await self._mounted()
        except TimeoutError:
            nodes = ", ".join(post.node for post in self._posts)
            raise DrillError(
                f"the storage of {self.service} is mounted on no node",
                where=f"{self._mount} on {nodes}",
                next_step="./quorate status",
            ) from None

    async def _mounted(self) -> Post:
        """The recorder whose file system was mounted last; waits for one."""
        while True:
            for post in self._posts:
                post.changed.clear()
            best = max(self._posts, key=lambda post: post.since)
            if best.since >= 0:
                return best
            waiting = [asyncio.create_task(post.changed.wait()) for post in self._posts]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()

    async def request(self, attempt: Attempt) -> None:
        """One record. Those that wait for a holder are sent in the order of their numbers."""
        attempt.stage = "waiting for a node that has it mounted"
        async with self._turn:
            post = await self._mounted()
            attempt.stage = f"writing on {post.node}"
            attempt.sent = True
            future = post.send(attempt.number)
        try:
            await future
        finally:
            post.waiting.pop(attempt.number, None)

    async def read_back(self) -> Sequence[ReadBack]:
        """The file, from the node that has the file system now."""
        async with asyncio.timeout(READY_S):
            post = await self._mounted()
        path = f"{self._mount}/{self._folder}/{recorder.FILE}"
        source = f"{path} on {post.node}"
        try:
            done = await self.scene.nodes.run(post.node, ("cat", path), timeout_s=30)
        except TransportError as error:
            return [ReadBack(self.name, source, (), str(error))]
        if done.exit:
            return [ReadBack(self.name, source, (), done.stderr.decode(errors="replace").strip()[-200:])]
        return [ReadBack(self.name, source, recorder.parse(done.stdout), ordered=True)]

    async def forget(self) -> None:
        """Remove the folder."""
        async with asyncio.timeout(READY_S):
            post = await self._mounted()
        await self.scene.nodes.run(post.node, ("rm", "-rf", "--", f"{self._mount}/{self._folder}"))

    async def close(self) -> None:
        """End the recorders."""
        keeping, self._keeping = self._keeping, []
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


WORKLOAD = RecordWriter
