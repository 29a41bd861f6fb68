"""What is to be seen from outside while a drill runs: which machine lives, and what is mounted where.

Where there is a hand outside the nodes (`contract.Bench`) it is looked at ten times a second, without asking
any node. Elsewhere the nodes that answer are asked for their mounts once a second, which is said. Written to
the history when it changes: ``seen`` has ``boots`` (node to a text that is another one after each power on,
"" while it is off) and ``mounts`` (node to the devices of `storage`; null: it was not to be asked).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from quorate.drill.contract import Bench, Scene
from quorate.drill.history import Writer
from quorate.errors import TransportError
from quorate.spec.model import Mode, Storage
from quorate.spec.own import mode_of

OUTSIDE_S, ASKING_S = 0.1, 1.0
"""Between two looks."""
ANSWER_S = 3.0
MOUNTINFO = ("cat", "/proc/1/mountinfo")

Sight = tuple[Mapping[str, str], Mapping[str, list[str] | None]]


def storage(scene: Scene) -> dict[str, Storage]:
    """The storage of each service that has some, on one node at a time."""
    one = {name: spec for name, spec in scene.own.items() if mode_of(spec) is Mode.ACTIVE_PASSIVE}
    return {name: spec.storage for name, spec in one.items() if spec.storage}


def mount_points(mountinfo: bytes) -> set[str]:
    """Everything that something is mounted on, from what `MOUNTINFO` prints (proc_pid_mountinfo(5))."""
    rows = (row.split() for row in mountinfo.decode(errors="replace").splitlines())
    return {row[4] for row in rows if len(row) > 4}


class Watch:
    """Looks until told to stop.

    Args:
        scene: whose nodes.
        writer: the history.
    """

    def __init__(self, scene: Scene, writer: Writer) -> None:
        self._scene, self._writer = scene, writer
        self._devices = {each.mount: each.device for each in storage(scene).values()}
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    async def run(self) -> None:
        """Look, and write down what changed; at the end how often, and how long nobody looked at worst."""
        bench, looks, worst = self._scene.bench, 0, 0.0
        if bench is None and not self._devices:
            return
        last: Sight | None = None
        before = self._writer.now()
        while not self._stop.is_set():
            sight = await (asyncio.to_thread(self._outside, bench) if bench else self._asked())
            now = self._writer.now()
            looks, worst, before = looks + 1, max(worst, now - before), now
            if sight != last:
                self._writer.write("seen", boots=sight[0], mounts=sight[1])
                last = sight
            try:
                async with asyncio.timeout(OUTSIDE_S if bench else ASKING_S):
                    await self._stop.wait()
            except TimeoutError:
                continue
        source = "outside" if bench else "the nodes"
        self._writer.write("watched", looks=looks, worst_s=round(worst, 3), source=source)

    def _outside(self, bench: Bench) -> Sight:
        """Mounts first: one on a new node while the old one is seen to live afterwards is no accident."""
        nodes = self._scene.cluster.nodes
        devices = set(self._devices.values())
        mounts = {node: sorted(bench.mounts(node) & devices) for node in nodes} if devices else {}
        return {node: bench.boot(node) for node in nodes}, mounts

    async def _asked(self) -> Sight:
        async def one(node: str) -> list[str] | None:
            try:
                done = await self._scene.nodes.run(node, MOUNTINFO, timeout_s=ANSWER_S)
            except TransportError:
                return None
            return sorted(self._devices[each] for each in mount_points(done.stdout) & set(self._devices))

        nodes = list(self._scene.cluster.nodes)
        return {}, dict(zip(nodes, await asyncio.gather(*map(one, nodes)), strict=True))
