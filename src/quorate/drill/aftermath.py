"""After a drill: what is there of what was promised, who holds what, and what the nodes wrote down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from quorate.drill.contract import Scene, Workload
from quorate.drill.history import History, Writer, load
from quorate.drill.journals import collect
from quorate.drill.ledger import settle as settle_account
from quorate.drill.pace import describe
from quorate.drill.view import View
from quorate.errors import QuorateError
from quorate.events import Event, Kind, Listener


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
    try:
        writer.write("holders", vips=await view.holders(set(scene.vips.values())))
    except QuorateError as error:
        writer.write("problem", text=f"the virtual IPs' holders are not known: {error.what}")
    await _journals(scene, view, writer, since, offsets)
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

    await asyncio.gather(*(one(node) for node in scene.cluster.controllers))
    writer.write("journals", read=sorted(read))


def _evidence(workload: Workload, history: History) -> bool:
    """Something is wrong with what it wrote, so that is kept."""
    account = settle_account(workload.name, history.requests, history.readbacks)
    return bool(account.writes.lost or account.strangers or account.differing or account.unreadable)


async def forget(writing: Sequence[Workload], writer: Writer) -> None:
    """Remove what these wrote, as well as that can be done."""
    for workload in writing:
        try:
            async with asyncio.timeout(15):
                await workload.forget()
        except Exception as error:  # noqa: BLE001 - what is left behind is a nuisance, and is said
            writer.write("left", text=f"{workload.name} left its writes behind: {describe(error)}")
