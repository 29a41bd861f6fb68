"""Cut the power of every controller at once, then give it back: a dark data centre."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from quorate.drill.contract import Fault, Scene


class Blackout(Fault):
    """Nobody is left to fence or to take over. The plane has to come back by itself, with all it promised."""

    name = "blackout"
    summary = "cut the power of all controllers at once, then switch them on again"
    hits_all = True

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        nodes = ", ".join(scene.cluster.controllers)
        return (
            f"cut the power of {nodes} at once through their BMCs, without a shutdown: nothing here "
            "answers until they are switched on again afterwards and have found each other"
        )

    async def inject(self, scene: Scene) -> str:
        """All at once."""
        await _all(scene.power.off(node) for node in scene.cluster.controllers)
        return f"the BMCs of {', '.join(scene.cluster.controllers)} took the order to power off"

    async def heal(self, scene: Scene) -> None:
        """All on, at once."""
        await _all(self._on(scene, node) for node in scene.cluster.controllers)

    async def _on(self, scene: Scene, node: str) -> None:
        if not await scene.power.is_on(node):
            await scene.power.on(node)

    async def healed(self, scene: Scene) -> str | None:
        """Every BMC says that its node is on."""
        on = await asyncio.gather(*(scene.power.is_on(node) for node in scene.cluster.controllers))
        return "every BMC says that its node is on" if all(on) else None


async def _all(orders: Iterable[Awaitable[None]]) -> None:
    """Carry all out to their end, then raise the first error: no order is still under way afterwards."""
    for result in await asyncio.gather(*orders, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


FAULT = Blackout
