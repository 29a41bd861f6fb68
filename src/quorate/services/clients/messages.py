"""The message broker, as a client outside uses it: on each controller, over TLS, the certificate checked."""

from __future__ import annotations

import secrets
import ssl

import aio_pika

from quorate.errors import QuorateError
from quorate.services.base import Outside

TLS_PORT, OWN = 5671, "quorate"
"""Port, and the name of the account and of its secret (``mq-quorate``)."""
VERIFY_QUEUE = "quorate.verify"


async def publish_and_consume(outside: Outside, node: str) -> str:
    """Publish a persistent message through ``node`` over TLS, wait for the confirm, and get it back."""
    body = secrets.token_hex(8).encode()
    host = outside.cluster.address(node, "api")
    connection = await aio_pika.connect(
        host=host,
        port=TLS_PORT,
        login=OWN,
        password=str(outside.secrets.password(f"mq-{OWN}")),
        ssl=True,
        ssl_context=ssl.create_default_context(cafile=outside.ca_file),
        timeout=5,
    )
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        queue = await channel.declare_queue(VERIFY_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(
            body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, message_id=body.decode()
        )
        await channel.default_exchange.publish(message, VERIFY_QUEUE, timeout=10)
        while (got := await queue.get(timeout=5, fail=False)) is not None:
            await got.ack()
            if got.body == body:
                return f"confirmed and consumed on {node}, TLS"
    raise QuorateError("a confirmed message did not come back", where=f"{node}, queue {VERIFY_QUEUE}")
