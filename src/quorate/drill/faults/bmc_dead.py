"""A BMC that does not answer, then a power cut past it: nobody can confirm that the node is off."""

from __future__ import annotations

from quorate.drill.contract import Scene
from quorate.drill.outside import OutsideFault, bench


class BmcDead(OutsideFault):
    """A BMC that shares the node's power supply. What needs the fence has to stay down, and say why."""

    name = "bmc-dead"
    summary = "silence a node's BMC, then cut its power: nobody can confirm that it is off"
    unfenceable = True
    why_bench = "a BMC cannot be told to play dead, and a real host's power cannot be cut past it"

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"silence the BMC of {scene.victim}, then cut its power past it: whatever must know that "
            f"{scene.victim} is off stays down; BMC and power come back afterwards, in any case after "
            f"{scene.thaw_after_s:g} s"
        )

    async def inject(self, scene: Scene) -> str:
        """First the BMC, so that nothing is confirmed in between."""
        await bench(scene).bmc(scene.victim, "dead")
        await bench(scene).cut_power(scene.victim)
        return f"the BMC of {scene.victim} is silent, and {scene.victim} has no power"


FAULT = BmcDead
