"""After a drill: what is there of what was promised, who holds what, and what the nodes wrote down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from quorate.drill import fsck
from quorate.drill.contract import Scene, Workload
from quorate.drill.history import History, Writer, load
from quorate.drill.journals import collect
from quorate.drill.ledger import settle as settle_account
from quorate.drill.pace import describe
from quorate.drill.view import View
from quorate.errors import QuorateError
from quorate.events import Event, Kind, Listener

FORGET_S = 60.0
"""For removing all that one workload wrote: volumes and images go one by one."""
CLOSE_S = 180.0
"""For taking away what `Workload.open` made: servers and their networks."""


async def settle(
    scene: Scene,
    workloads: Sequence[Workload],
    view: View,
    writer: Writer,
    since: float,
    offsets: Mapping[str, float],
    tell: Listener,
) -> None:
    """Write it all to the history. What cannot be found out is a problem in it, never an error here.

    Args:
        since: when the run began, seconds since 1970 by the client's clock.
        offsets: each node's clock against the client's, seconds.
    """
    tell(Event(Kind.STARTED, "reading back"))
    writing = [workload for workload in workloads if workload.writes]
    for workload in writing:
        try:
            for readback in await workload.read_back():
                writer.readback(readback)
        except Exception as error:  # noqa: BLE001 - any client library's error; without a read-back nothing passes
            writer.write("problem", text=f"{workload.name} could not be read back: {describe(error)}")
    for workload in workloads:
        try:
            found = await workload.afterwards()
        except Exception as error:  # noqa: BLE001 - any client library's error; nobody looked, so it is unknown
            writer.write("problem", text=f"{workload.name} afterwards: {describe(error)}")
        else:
            if found:
                writer.write("afterwards", endpoint=workload.name, **found)
    try:
        writer.write("holders", vips=await view.holders(set(scene.vips.values())))
    except QuorateError as error:
        writer.write("problem", text=f"the virtual IPs' holders are not known: {error.what}")
    await _journals(scene, view, writer, since, offsets)
    # After the journals, which would otherwise tell of this stop and start as well.
    await fsck.check_all(scene, view, writer)
    writer.flush()
    history = load(writer.folder)
    await forget([each for each in writing if not _evidence(each, history)], writer)
    tell(Event(Kind.DONE, "reading back"))


async def _journals(
    scene: Scene, view: View, writer: Writer, since: float, offsets: Mapping[str, float]
) -> None:
    until = since + writer.now()
    read: list[str] = []

    async def one(node: str) -> None:
        offset = offsets.get(node, 0.0)
        try:
            lines = await collect(view.nodes, node, since + offset, until + offset)
        except (QuorateError, ValueError) as error:
            writer.write("unread", node=node, text=describe(error))
            return
        for line in lines:
            corrected = line.wall - offset
            writer.write(
                "journal",
                node=node,
                what=line.what,
                subject=line.subject,
                line=line.text,
                line_wall=corrected,
            )
        read.append(node)

    await asyncio.gather(*(one(node) for node in scene.witnesses))
    writer.write("journals", read=sorted(read))


def _evidence(workload: Workload, history: History) -> bool:
    """Something is wrong with what it wrote, so that is kept."""
    account = settle_account(workload.name, history.requests, history.readbacks)
    odd = (account.strangers, account.differing, account.disordered, account.unreadable)
    return bool(account.writes.lost) or any(odd)


async def forget(writing: Sequence[Workload], writer: Writer) -> None:
    """Remove what these wrote, as well as that can be done."""
    for workload in writing:
        try:
            async with asyncio.timeout(FORGET_S):
                await workload.forget()
        except Exception as error:  # noqa: BLE001 - what is left behind is a nuisance, and is said
            writer.write("left", text=f"{workload.name} left its writes behind: {describe(error)}")


async def close(workloads: Sequence[Workload], writer: Writer) -> None:
    """End these, with what they made to have something to ask."""

    async def one(workload: Workload) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await workload.close()
        except Exception as error:  # noqa: BLE001 - what is left behind is a nuisance, and is said
            writer.write("left", text=f"{workload.name} left something behind: {describe(error)}")

    await asyncio.gather(*(one(workload) for workload in workloads))
