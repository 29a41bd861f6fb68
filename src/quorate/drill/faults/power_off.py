"""Cut a node's power through its BMC. What was not on its disk is lost; nobody is told."""

from __future__ import annotations

from quorate.drill.contract import Fault, Scene


class PowerOff(Fault):
    """The cluster is expected to fence the node, which by default switches it on again."""

    name = "power-off"
    summary = "cut a node's power through its BMC, without warning"
    fences = True

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"cut the power of {scene.victim} through its BMC, without a shutdown: everything on it stops at "
            "once, and the others take over; it is switched on again afterwards"
        )

    async def inject(self, scene: Scene) -> str:
        """Power off. Asking again whether it is off would race with the cluster, which may switch it on."""
        await scene.power.off(scene.victim)
        return f"the BMC of {scene.victim} took the order to power off"

    async def heal(self, scene: Scene) -> None:
        """Power on, unless the cluster did that itself."""
        if not await scene.power.is_on(scene.victim):
            await scene.power.on(scene.victim)

    async def healed(self, scene: Scene) -> str | None:
        """The BMC says that it is on."""
        on = await scene.power.is_on(scene.victim)
        return f"the BMC of {scene.victim} says that it is on" if on else None


FAULT = PowerOff
