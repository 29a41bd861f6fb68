"""Objects in a tenant's day: stored and fetched with the tenant's own account, and deleted."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.errors import QuorateError
from quorate.services.clients import objects
from quorate.services.day.contract import Day, Hour, Step


def steps(service: str) -> Iterable[Step]:
    """What Swift does in a tenant's day."""
    yield Step(service, Hour.USE, "store and fetch an object", _store, timeout_s=60)
    yield Step(service, Hour.AWAY, "delete the objects", _delete, timeout_s=60)


async def _store(day: Day) -> str:
    await objects.store(day.tenant, day.name, "object", content := objects.content())
    await objects.compare(day.tenant, day.name, "object", content)
    return f"{len(content) // 1024} KiB stored, fetched and compared"


async def _delete(day: Day) -> str:
    count = 0
    for container in await objects.containers(day.tenant):
        count += await objects.empty(day.tenant, container)
    if rest := await objects.containers(day.tenant):
        raise QuorateError(f"there is still: container {', '.join(rest)}")
    return f"{count} object{'s' * (count != 1)} deleted, no container left"
