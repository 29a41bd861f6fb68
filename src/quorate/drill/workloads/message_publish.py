"""Publish numbered persistent messages to a quorum queue, each confirmed, over TLS to the brokers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError

from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.ledger import ReadBack
from quorate.errors import DrillError

TLS_PORT = 5671
SILENT_S = 3.0
"""A broker that confirmed nothing for so long is left. Sooner would be wrong: while a queue elects a leader
its confirms wait, and a client that runs away then only measures its own reconnecting."""
CONNECT_S = 1.5
"""For one connection to one broker; then the next one is tried."""
GET_S = 3.0
"""For one message while the queue is drained; it is drained when the broker says that it is empty."""
DRAIN_S = 60.0
FAILURES = (OSError, AMQPError, aio_pika.exceptions.AMQPException, ssl.SSLError, RuntimeError, TimeoutError)


class Link:
    """A connection to one broker, with its channel. Once given up, it closes when nothing is in flight."""

    def __init__(self, broker: str, connection: AbstractConnection, channel: AbstractChannel) -> None:
        self.broker, self.connection, self.channel = broker, connection, channel
        self.flying, self.given_up = 0, False
        self.heard = asyncio.get_running_loop().time()
        """When the last confirm came, on the loop's clock; at first, when it was opened."""

    @property
    def silent(self) -> bool:
        """It is closed, or nothing has been confirmed for `SILENT_S`."""
        closed = self.connection.is_closed or self.channel.is_closed
        return closed or asyncio.get_running_loop().time() - self.heard > SILENT_S

    async def close(self) -> None:
        """Close it, whatever state it is in; a dead broker is not waited for."""
        with suppress(*FAILURES):
            async with asyncio.timeout(1):
                await self.connection.close()


class MessagePublish(Workload):
    """Publisher confirms on one kept connection to one broker, the victim's last in the list.

    Like any client of this cluster it knows all brokers. When the connection dies, or nothing at all is
    confirmed for a while, it goes to the next; what is in flight on the old one may still be confirmed.
    """

    name = "message-publish"
    summary = "publishes to a quorum queue and waits for the confirm"
    service = "rabbitmq"
    writes = True

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.queue = f"quorate.drill.{scene.run}"
        self._brokers = [
            *scene.survivors,
            *([scene.victim] if scene.victim in scene.cluster.controllers else []),
        ]
        self._link: Link | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._connecting: asyncio.Task[Link] | None = None
        self._tls = ssl.create_default_context(cafile=scene.ca_file)

    async def open(self) -> None:
        """Declare the queue through the first broker."""
        try:
            async with asyncio.timeout(15):
                link = self._link = await self._connect(timeout_s=10)
                await link.channel.declare_queue(
                    self.queue, durable=True, arguments={"x-queue-type": "quorum"}
                )
        except FAILURES as error:
            raise DrillError(
                "the broker does not take the drill's client",
                where=self._brokers[0],
                evidence=f"{type(error).__name__}: {error}",
                next_step="./quorate verify",
            ) from error

    async def _connect(self, timeout_s: float) -> Link:
        broker = self._brokers[0]
        connection = await aio_pika.connect(
            host=self.scene.cluster.address(broker, "api"),
            port=TLS_PORT,
            login="quorate",
            password=str(self.scene.secrets.password("mq-quorate")),
            ssl=True,
            ssl_context=self._tls,
            timeout=timeout_s,
        )
        try:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        except BaseException:
            self._later(Link(broker, connection, None))  # type: ignore[arg-type]
            raise
        return Link(broker, connection, channel)

    async def _current(self) -> Link:
        """The link in use. Connecting is one task for all requests, so that none of them cuts it short."""
        if self._link is not None and not self._link.silent:
            return self._link
        self._give_up(self._link)
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._reconnect())
            # Its error belongs to the requests that wait for it; there may be none left.
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._connecting)

    async def _reconnect(self) -> Link:
        try:
            async with asyncio.timeout(CONNECT_S):
                self._link = await self._connect(timeout_s=CONNECT_S)
        except FAILURES:
            self._brokers.append(self._brokers.pop(0))
            raise
        return self._link

    async def request(self, attempt: Attempt) -> None:
        """One message, confirmed."""
        attempt.stage = "connecting"
        link = await self._current()
        attempt.stage = f"publishing through {link.broker}"
        message = aio_pika.Message(
            str(attempt.number).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        link.flying += 1
        try:
            attempt.sent = True
            await link.channel.default_exchange.publish(message, self.queue, mandatory=True)
        except BaseException:
            if link is self._link and link.silent:
                self._brokers.append(self._brokers.pop(0))
                self._give_up(link)
            raise
        else:
            link.heard = asyncio.get_running_loop().time()
        finally:
            link.flying -= 1
            if link.given_up and not link.flying:
                self._later(link)

    def _give_up(self, link: Link | None) -> None:
        if link is None:
            return
        link.given_up = True
        if self._link is link:
            self._link = None
        if not link.flying:
            self._later(link)

    def _later(self, link: Link) -> None:
        task = asyncio.create_task(link.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def read_back(self) -> Sequence[ReadBack]:
        """Drain the queue. A message may come twice (AMQP delivers at least once), so that is not wrong."""
        keys: list[int] = []
        try:
            async with asyncio.timeout(DRAIN_S):
                link = await self._reachable()
                queue = await link.channel.declare_queue(self.queue, passive=True)
                while True:
                    message = await queue.get(timeout=GET_S, fail=False, no_ack=False)
                    if message is None:
                        break
                    keys.append(int(message.body))
                    await message.ack()
        except FAILURES as error:
            text = f"after {len(keys)} messages: {type(error).__name__}: {error}"
            return [ReadBack(self.name, self.queue, tuple(keys), text, exactly_once=False)]
        return [ReadBack(self.name, self.queue, tuple(keys), exactly_once=False)]

    async def _reachable(self) -> Link:
        """A link to any broker; every one is tried once."""
        for _ in self._brokers[1:]:
            with suppress(*FAILURES):
                return await self._current()
        return await self._current()

    async def forget(self) -> None:
        """Delete the queue."""
        link = await self._reachable()
        await link.channel.queue_delete(self.queue)

    async def close(self) -> None:
        """Close what is open, and wait for it."""
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        link, self._link = self._link, None
        if link is not None:
            self._later(link)
        if self._closing:
            await asyncio.wait(self._closing)


WORKLOAD = MessagePublish
