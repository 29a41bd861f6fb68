"""How the nodes see the cluster, asked over SSH: who holds an address, is it whole, what do clocks say."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from quorate.drill.history import Clock
from quorate.engine.look import Answer, Question, look
from quorate.errors import DrillError, TransportError
from quorate.pacemaker import state
from quorate.services.base import Health, HealthProbe
from quorate.services.registry import Platform
from quorate.transport.base import Command, Completed, Connect

HEALTH_S = 15.0
"""For one look at everything on a node."""


class ConnectedNodes:
    """`contract.Nodes` over any transport."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def run(
        self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 20.0
    ) -> Completed:
        """Run ``argv`` on ``node``; see `contract.Nodes.run`."""
        return await self._connect(node).run(Command(tuple(argv), stdin, timeout_s))

    async def talk(
        self,
        node: str,
        argv: Sequence[str],
        *,
        feed: Callable[[], Awaitable[bytes]],
        on_line: Callable[[bytes], None],
        timeout_s: float,
    ) -> Completed:
        """Run ``argv`` on ``node`` and talk to it; see `contract.Nodes.talk`."""
        command = Command(tuple(argv), timeout_s=timeout_s, on_line=on_line, feed=feed)
        return await self._connect(node).run(command)


@dataclass(frozen=True)
class Whole:
    """Whether a cluster is whole: ``missing`` says what is not as it should be, and is empty when it is."""

    missing: tuple[str, ...]
    evidence: str


class View:
    """Asks the nodes.

    Args:
        platform: the cluster's services.
        connect: how a node is reached.
        clock: for the nodes' clocks.
    """

    def __init__(self, platform: Platform, connect: Connect, clock: Clock) -> None:
        self._platform, self._connect, self._clock = platform, connect, clock
        self.nodes = ConnectedNodes(connect)
        self._controllers = platform.ctx.controllers
        self._doubtful: list[int] = []
        """Which of the platform's probes were not well when they were last asked."""

    async def holders(self, addresses: Iterable[str]) -> dict[str, list[str]]:
        """Which nodes really have each address, not which ones Pacemaker believes to have it.

        Raises:
            DrillError: a node does not answer, so nobody knows.
        """
        wanted: dict[str, list[str]] = {address: [] for address in addresses}
        argv = ("ip", "-json", "-4", "address", "show")
        for node, done in zip(self._controllers, await self._on_all(argv), strict=True):
            if isinstance(done, TransportError) or done.exit:
                raise DrillError("it does not say which addresses it has", where=node, evidence=str(done))
            for link in json.loads(done.stdout):
                for each in link.get("addr_info", ()):
                    if each.get("local") in wanted:
                        wanted[each["local"]].append(node)
        return wanted

    async def whole(self) -> Whole:
        """All nodes online, quorate, nothing failed, and every service healthy by its own probes.

        Asking all of them takes seconds of CPU from the nodes. So those that were not well the last time come
        first, and the others only once those are; and it is over with the first node that is not well.
        """
        missing = tuple(await self.members() or await self._unwell())
        nodes, count = len(self._platform.ctx.cluster.nodes), len(self._platform.probes())
        return Whole(missing, f"{nodes} nodes online, {count} health probes good")

    async def members(self) -> list[str]:
        """What is not as it should be with the nodes' membership and Pacemaker's resources. Cheap."""
        seen = await self._quorate()
        if seen is None:
            return ["no node is part of a quorate cluster"]
        nodes = self._platform.ctx.cluster.nodes
        missing = [f"{node} is not online" for node in nodes if not _online(seen, node)]
        return missing + [
            f"{each.id} is {each.role}" for each in seen.resources if each.failed or each.blocked
        ]

    async def to_be_fenced(self, node: str) -> bool:
        """Whether the cluster still has to confirm that ``node`` is off; also when nobody says."""
        seen = await self._quorate()
        its = seen.node(node) if seen is not None else None
        return its is None or its.unclean

    async def _quorate(self) -> state.ClusterState | None:
        """The cluster as the first node that is part of a quorate one sees it."""
        for done in await self._on_all(state.COMMAND):
            if isinstance(done, TransportError) or done.exit:
                continue
            try:
                seen = state.parse(done.stdout)
            except ValueError:
                continue
            if seen.quorate:
                return seen
        return None

    async def _unwell(self) -> list[str]:
        return (self._doubtful and await self._ask(self._doubtful)) or await self._ask(None)

    async def _ask(self, wanted: Sequence[int] | None) -> list[str]:
        """What the first node finds that finds anything, of the probes of these numbers or of all.

        One node after the other, with a pause as long as each took: all at once they were enough, on nodes
        that bore their clients well, to make services late, and so to find them not well.
        """
        every = self._platform.probes()
        asked = range(len(every)) if wanted is None else wanted
        for node in dict.fromkeys(every[one].node for one in asked):
            began = time.monotonic()
            mine = [one for one in asked if every[one].node == node]
            answers = await look(self._connect, [_question(every[one]) for one in mine])
            found = {
                one: text
                for one, answer in zip(mine, answers, strict=True)
                if (text := _unwell(every[one], answer))
            }
            self._doubtful = list(found)
            if found:
                return list(found.values())
            await asyncio.sleep(time.monotonic() - began)
        return []

    async def clock_offset(self, node: str) -> tuple[float, float]:
        """The node's clock minus ours, and how far that can be off, in seconds (half the round trip)."""
        before = self._clock.wall()
        done = await self.nodes.run(node, ("date", "+%s.%N"))
        after = self._clock.wall()
        return float(done.stdout) - (before + after) / 2, (after - before) / 2

    async def _on_all(self, argv: Sequence[str]) -> list[Completed | TransportError]:
        async def one(node: str) -> Completed | TransportError:
            try:
                return await self.nodes.run(node, argv)
            except TransportError as error:
                return error

        return list(await asyncio.gather(*(one(node) for node in self._controllers)))


def _question(probe: HealthProbe) -> Question:
    return Question(probe.node, probe.kind, probe.args, HEALTH_S)


def _unwell(probe: HealthProbe, answer: Answer) -> str:
    """What is not well, or ""."""
    if answer.state is None:
        return f"{probe.service} on {probe.node}: {answer.error}"
    judgement = probe.judge(answer.state)
    return "" if judgement.health is Health.OK else f"{probe.service} on {probe.node}: {judgement.text}"


def _online(seen: state.ClusterState, name: str) -> bool:
    node = seen.node(name)
    return node is not None and node.online and not node.unclean and not node.pending
