"""What the faults that need a hand outside the nodes have in common: how they end, and how that is proved."""

from __future__ import annotations

from quorate.drill.contract import Bench, Fault, Scene
from quorate.errors import DrillError


class OutsideFault(Fault):
    """Breaks a machine from outside. All of it is mended, by this process or by the one that `arm` starts."""

    needs_bench = True

    async def arm(self, scene: Scene) -> str:
        """A process of its own mends the machine later, even if this one is killed."""
        return await bench(scene).arm(scene.victim, scene.run, scene.thaw_after_s)

    async def heal(self, scene: Scene) -> None:
        """Thaw, links, BMC, power; then the process that would do it is called off."""
        await bench(scene).mend(scene.victim)
        await bench(scene).disarm(scene.victim, scene.run)

    async def healed(self, scene: Scene) -> str | None:
        """Seen from outside, nothing of it is left."""
        left = await bench(scene).broken(scene.victim)
        return None if left else f"{scene.victim} has power, runs, and has its links and an honest BMC"


def bench(scene: Scene) -> Bench:
    """The hand outside the nodes. Raises DrillError where there is none."""
    if scene.bench is None:
        raise DrillError("there is no hand outside the nodes", where=scene.victim)
    return scene.bench
