"""Locks that all controllers see, as a service on a node takes them: there is no client of them outside."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from quorate.errors import QuorateError
from quorate.services.base import Outside

KIND = "etcd_lock"
LIFE_S = 30
STEP_S = 5.0


async def one_gets_it(outside: Outside, *, args: Mapping[str, Mapping[str, Any]]) -> str:
    """Take a lock on the first node, be refused on the others, give it back, and take it there.

    Args:
        outside: with a way to the nodes.
        args: node to what its look at etcd has to know.

    Raises:
        QuorateError: nobody got it, or two did.
    """
    if outside.ask is None:
        raise QuorateError("no way to a node was handed in, and etcd can only be asked from one")
    ask, key = outside.ask, f"quorate/verify/{secrets.token_hex(8)}"

    async def do(node: str, what: str) -> bool:
        said = {**args[node], "do": what, "key": key, "owner": node, "life_s": LIFE_S}
        return bool((await ask(node, KIND, said, STEP_S))["got"])

    first, *others = args
    begun = time.monotonic()
    if not await do(first, "take"):
        raise QuorateError("a lock that nobody has was refused", where=first)
    try:
        for node in others:
            if await do(node, "take"):
                raise QuorateError(f"a lock that {first} has was given away a second time", where=node)
    finally:
        given = await do(first, "give")
    if not given:
        raise QuorateError("the lock was not its owner's any more", where=first)
    last = others[-1] if others else first
    if not (await do(last, "take") and await do(last, "give")):
        raise QuorateError("a lock that was given back is still refused", where=last)
    seconds = time.monotonic() - begun
    return f"taken on {first}, refused on {', '.join(others)}, given back, taken on {last}: {seconds:.2f} s"
