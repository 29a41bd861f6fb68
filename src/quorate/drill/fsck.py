"""Look whether a service's file system is whole: stop the service in Pacemaker, e2fsck(8), start it again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from quorate.drill import watch
from quorate.drill.contract import Scene
from quorate.drill.history import Writer
from quorate.drill.pace import describe
from quorate.drill.view import View
from quorate.errors import DrillError, TransportError
from quorate.spec.own import nodes_of

STOP_S, CHECK_S, START_S = 60.0, 300.0, 120.0
POLL_S = 0.5


async def check_all(scene: Scene, view: View, writer: Writer) -> None:
    """Each service with storage on one node at a time. What cannot be done is a problem in the history."""
    for service in watch.storage(scene):
        try:
            await _check(scene, service, view, writer)
        except (DrillError, TransportError) as error:
            text = f"the file system of {service} could not be checked: {describe(error)}"
            writer.write("problem", text=text)


async def _check(scene: Scene, service: str, view: View, writer: Writer) -> None:
    storage = watch.storage(scene)[service]
    nodes = nodes_of(scene.cluster, scene.own[service])
    holders = await _mounted(scene, nodes, storage.mount)
    where = (holders or list(nodes))[0]
    role = ("crm_resource", "--resource", service, "--meta")
    start = (*role, "--delete-parameter", "target-role")
    timer = f"quorate-start-{scene.run}-{service}"
    # Whatever happens to this process, the service is started again.
    after = f"--on-active={STOP_S + CHECK_S:g}s"
    await _do(scene, where, ("systemd-run", f"--unit={timer}", after, "--quiet", "--", *start))
    try:
        await _do(scene, where, (*role, "--set-parameter", "target-role", "--parameter-value", "Stopped"))
        await _until(f"{service} was not stopped", STOP_S, partial(_free, scene, nodes, storage.mount))
        done = await scene.nodes.run(where, ("e2fsck", "-fn", storage.device), timeout_s=CHECK_S)
        text = (done.stdout + done.stderr).decode(errors="replace").strip()[-2000:]
        writer.write("fsck", service=service, node=where, device=storage.device, exit=done.exit, text=text)
    finally:
        await _do(scene, where, start)
        with suppress(TransportError):
            await scene.nodes.run(where, ("systemctl", "stop", f"{timer}.timer"))

    async def back() -> bool:
        return bool(await _mounted(scene, nodes, storage.mount)) and not (await view.whole()).missing

    await _until(f"{service} did not come back", START_S, back)


async def _until(otherwise: str, within_s: float, done: Callable[[], Awaitable[bool]]) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while not await done():
        if asyncio.get_running_loop().time() > deadline:
            raise DrillError(f"{otherwise} within {within_s:g} s", next_step="./quorate status")
        await asyncio.sleep(POLL_S)


async def _free(scene: Scene, nodes: tuple[str, ...], place: str) -> bool:
    return not await _mounted(scene, nodes, place)


async def _do(scene: Scene, node: str, argv: tuple[str, ...]) -> None:
    done = await scene.nodes.run(node, argv)
    if done.exit:
        raise DrillError(f"{argv[0]} failed", where=node, evidence=done.stderr.decode(errors="replace"))


async def _mounted(scene: Scene, nodes: tuple[str, ...], place: str) -> list[str]:
    """The nodes that have it mounted. Raises TransportError where one does not answer."""

    async def one(node: str) -> bool:
        done = await scene.nodes.run(node, watch.MOUNTINFO)
        return place in watch.mount_points(done.stdout)

    found = await asyncio.gather(*map(one, nodes))
    return [node for node, mounted in zip(nodes, found, strict=True) if mounted]
