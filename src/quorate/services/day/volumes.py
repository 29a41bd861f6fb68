"""Volumes in a tenant's day: attached to the server, written from within it, kept over a move, deleted."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.errors import QuorateError
from quorate.services.clients import compute, guest, volume
from quorate.services.day.contract import ADMINISTRATOR, TENANT, Day, Hour, Step

MIB = 4
"""What is written."""
SEEN_S = 60.0
"""How long the guest may take to see a disk that was attached."""


def steps(service: str) -> Iterable[Step]:
    """What Cinder does in a tenant's day."""
    limit = volume.READY_S + 20
    yield Step(service, Hour.SUPPLIES, "create a volume", _create, gives=("volume",), timeout_s=limit)
    needs = ("server", "volume")
    title = "attach the volume to the server"
    yield Step(service, Hour.USE, title, _attach, needs=needs, gives=("attached",), timeout_s=limit)
    needs = ("answers", "attached")
    title = f"write {MIB} MiB from within the server, read them back"
    limit = SEEN_S + guest.DISK_S + 10
    yield Step(service, Hour.USE, title, _write, needs=needs, gives=("written",), timeout_s=limit)
    limit = volume.READY_S + 20
    yield Step(
        service, Hour.USE, "take a snapshot of the volume", _snapshot, needs=("volume",), timeout_s=limit
    )
    title = "the moved server reads the volume"
    limit = guest.DISK_S + 15
    yield Step(service, Hour.AFTER, title, _read, needs=("written", "moved"), timeout_s=limit)
    yield Step(service, Hour.AWAY, "delete the volumes and snapshots", _delete, timeout_s=150)
    title = "no volume or snapshot is left"
    yield Step(service, Hour.GONE, title, _gone, needs=(TENANT, ADMINISTRATOR))


async def _create(day: Day) -> str:
    day.made["volume"] = made = await volume.create(day.tenant, name=day.name)
    await volume.ready(day.tenant, "volume", made)
    return f"{volume.SIZE_GIB} GiB"


async def _attach(day: Day) -> str:
    await compute.attach(day.tenant, day.made["server"], day.made["volume"])
    await volume.ready(day.tenant, "volume", day.made["volume"], status="in-use")
    day.made["attached"] = day.made["volume"]
    return "in use"


async def _write(day: Day) -> str:
    address = day.made["address"]
    name = await guest.disk(address, day.made["volume"], within_s=SEEN_S)
    await guest.write(address, name, mib=MIB, seed=day.name)
    day.made["written"] = name
    return f"{name}, checksum compared"


async def _snapshot(day: Day) -> str:
    day.made["snapshot"] = taken = await volume.snapshot(day.tenant, day.made["volume"], name=day.name)
    found = await volume.ready(day.tenant, "snapshot", taken)
    return f"{found['size']} GiB"


async def _read(day: Day) -> str:
    await guest.read(day.made["address"], day.made["written"], mib=MIB, seed=day.name)
    return f"{day.made['written']} holds what was written before the move"


async def _delete(day: Day) -> str:
    count = 0
    for what in ("snapshot", "volume"):
        for one in await volume.owned(day.tenant, what):
            await volume.delete(day.tenant, what, one)
            count += 1
    return f"{count} deleted"


async def _gone(day: Day) -> str:
    rest = [
        f"{what} {one}"
        for what in ("volume", "snapshot")
        for one in await volume.owned(day.administrator, what, day.project)
    ]
    if rest:
        raise QuorateError(f"there is still: {', '.join(rest)}")
    return "Cinder lists none"
