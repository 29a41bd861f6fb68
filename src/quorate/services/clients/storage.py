"""The storage cluster, as a service on a node uses it: there is no other client of it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress

from quorate.errors import QuorateError
from quorate.services.base import Outside

KIND, OWN = "ceph_object", "quorate"
"""What does it on the node; the client and the pool of verify."""
STEP_S = 8.0
DEVICES_KIND = "rbd"


async def object_cycle(outside: Outside, nodes: Sequence[str]) -> str:
    """Write an object on the first of ``nodes``, read it on all others, remove it. Returns the evidence."""
    if outside.ask is None:
        raise QuorateError("no way to a node was handed in, and an object can only be written from one")
    ask, text = outside.ask, secrets.token_hex(16)
    name = f"verify-{text[:8]}"

    async def do(node: str, what: str) -> str:
        args = {"do": what, "pool": OWN, "object": name, "text": text, "client": OWN, "timeout_s": STEP_S}
        return str((await ask(node, KIND, args, STEP_S + 2))["text"])

    first, *others = nodes
    begun = time.monotonic()
    try:
        await do(first, "write")
        written_s = time.monotonic() - begun
        found = await asyncio.gather(*(do(node, "read") for node in others))
    except BaseException:
        # What went wrong is worth more than whether it can be cleared away as well.
        with suppress(QuorateError):
            await do(first, "remove")
        raise
    await do(first, "remove")
    wrong = [node for node, value in zip(others, found, strict=True) if value != text]
    if wrong:
        raise QuorateError("an object that was written reads differently", where=", ".join(wrong))
    return f"written on {first} in {written_s:.2f} s, read on {', '.join(others)}, removed"


async def devices(outside: Outside, nodes: Sequence[str], pool: str, client: str) -> list[str]:
    """Names of the block devices in ``pool``, those in its trash too.

    Args:
        outside: with a way to the nodes.
        nodes: where it may be asked; the first that answers is believed.
        pool: of the storage cluster.
        client: who may list it.

    Raises:
        QuorateError: none of them answers.
    """
    if outside.ask is None:
        raise QuorateError("no way to a node was handed in, and block devices can only be listed on one")
    args = {"pool": pool, "client": client, "timeout_s": STEP_S}
    said: list[str] = []
    for node in nodes:
        try:
            return list((await outside.ask(node, DEVICES_KIND, args, 2 * STEP_S + 2))["names"])
        except QuorateError as error:
            said.append(" ".join(f"{node}: {error.what} {error.evidence}".split()))
    raise QuorateError(f"the pool {pool} cannot be listed", evidence="\n".join(said))
