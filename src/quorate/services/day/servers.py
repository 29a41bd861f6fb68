"""Servers in a tenant's day: booted, answering, moved while they run, looked at, deleted."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.errors import QuorateError
from quorate.services.clients import compute, guest
from quorate.services.day.contract import ADMINISTRATOR, TENANT, Day, Hour, Step

MEMORY_MIB = 128
"""What the guest image needs (docs/guest-image.md)."""
ANSWER_S = 120.0
"""From an address to its first answer: an emulated boot on a busy host, DHCP, metadata."""
AGAIN_S = 20.0
"""A server that runs answers within that also right after it was moved."""
AGAIN_EVERY_S = 0.2


def steps(service: str, *, movable: bool) -> Iterable[Step]:
    """What Nova does in a tenant's day.

    Args:
        service: its name.
        movable: there is another compute to move a server to.
    """
    boot = ("image", "network")
    limit = compute.BOOT_S + 30
    yield Step(service, Hour.SERVER, "boot a server", _boot, needs=boot, gives=("server",), timeout_s=limit)
    title = "it answers on its floating IP, and knows its metadata"
    yield Step(
        service, Hour.ANSWER, title, _answer, needs=("address",), gives=("answers",), timeout_s=ANSWER_S + 20
    )
    if movable:
        title = "move it live to another compute; it answers there"
        limit = compute.MOVE_S + AGAIN_S + 10
        yield Step(service, Hour.MOVE, title, _move, needs=("answers",), gives=("moved",), timeout_s=limit)
    yield Step(service, Hour.AFTER, "open its console", _console, needs=("server",))
    limit = compute.GONE_S + 20
    yield Step(service, Hour.SERVERS_AWAY, "delete the server", _delete, timeout_s=limit)
    yield Step(service, Hour.GONE, "no server is left", _gone, needs=(TENANT, ADMINISTRATOR))


async def _boot(day: Day) -> str:
    flavor, name = await compute.smallest_flavor(day.tenant, memory_mib=MEMORY_MIB)
    day.made["server"] = server = await compute.create(
        day.tenant,
        image=day.made["image"],
        flavor=flavor,
        networks=[{"uuid": day.made["network"]}],
        name=day.name,
        security_groups=[{"name": day.name}],
    )
    await compute.active(day.tenant, server)
    host = (await compute.show(day.administrator, server))[compute.HOST]
    return f"{name} on {host}"


async def _answer(day: Day) -> str:
    address, server = day.made["address"], day.made["server"]
    try:
        found = await guest.answers(address, instance=server, within_s=ANSWER_S)
    except QuorateError as error:
        raise QuorateError(error.what, evidence=await compute.log(day.tenant, server, lines=15)) from None
    day.made["answers"] = str(found["boot_id"])
    return f"http://{address}/, {found['hostname']}, up for {found['uptime_s']} s"


async def _move(day: Day) -> str:
    server, boot = day.made["server"], day.made["answers"]
    way = await compute.live_migrate(day.administrator, server)
    day.made["moved"] = way
    await guest.answers(
        day.made["address"], instance=server, boot=boot, within_s=AGAIN_S, every_s=AGAIN_EVERY_S
    )
    return f"{way}, not started again"


async def _console(day: Day) -> str:
    return await compute.screen(day.tenant, day.made["server"])


async def _delete(day: Day) -> str:
    mine = await compute.owned(day.tenant)
    for server in mine:
        await compute.delete(day.tenant, server)
    return f"{len(mine)} deleted"


async def _gone(day: Day) -> str:
    rest = await compute.owned(day.administrator, day.project)
    if rest:
        raise QuorateError(f"there is still: server {', '.join(rest)}")
    return "Nova lists none"
