"""What a day's servers and volumes are made of underneath: gone with them?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from quorate.errors import QuorateError
from quorate.services.clients import inventory, storage
from quorate.services.day.contract import ADMINISTRATOR, TENANT, Day, Hour, Step

IDS = ("image", "server", "volume", "snapshot")
"""What was made that has something underneath, in `Day.made`."""


def allocations(service: str) -> Iterable[Step]:
    """Placement: the room that a server had is free again."""
    title = "no room is kept for the server"
    yield Step(service, Hour.GONE, title, _allocations, needs=("server", ADMINISTRATOR))


def devices(service: str, *, nodes: Sequence[str], pools: Mapping[str, str]) -> Iterable[Step]:
    """The storage cluster: none of its block devices is left.

    Args:
        service: its name.
        nodes: where it may be asked: only a client on a node can.
        pools: pool to a client that may list it.
    """
    if pools:
        run = partial(_devices, nodes=nodes, pools=pools)
        yield Step(service, Hour.GONE, "no block device is left", run, needs=(TENANT,), timeout_s=90)


async def _allocations(day: Day) -> str:
    kept = await inventory.allocations(day.administrator, day.made["server"])
    if kept:
        raise QuorateError(f"room is still kept for the server {day.made['server']} at {', '.join(kept)}")
    return "Placement keeps none"


async def _devices(day: Day, *, nodes: Sequence[str], pools: Mapping[str, str]) -> str:
    ids = [day.made[what] for what in IDS if what in day.made]
    listed = await asyncio.gather(
        *(storage.devices(day.outside, nodes, pool, client) for pool, client in pools.items())
    )
    found = [f"{pool}/{name}" for pool, names in zip(pools, listed, strict=True) for name in names]
    rest = [name for name in found if any(one in name for one in ids)]
    if rest:
        raise QuorateError(f"there is still: {', '.join(rest)}")
    return f"none of {len(ids)} ids in {', '.join(pools)}"
