"""A BMC says "off" and does nothing; its node is cut off and goes on writing: a negative control."""

from __future__ import annotations

from quorate.drill.contract import Scene
from quorate.drill.outside import OutsideFault, bench


class BmcLying(OutsideFault):
    """Everything that fencing promises is false. The checks have to come out red: this drill has to fail."""

    name = "bmc-lying"
    summary = "make a node's BMC say off and do nothing, then cut the node's networks: this drill must fail"
    fences = True
    why_bench = "a BMC cannot be told to lie, nor this host's switches to cut a node off"

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"make the BMC of {scene.victim} say that it is off when it is not, then cut all other "
            f"networks of {scene.victim}, which goes on writing: THIS CAN DESTROY THE FILE SYSTEMS THAT IT "
            f"SHARES; the drill has to fail; all of it is mended afterwards, in any case after "
            f"{scene.thaw_after_s:g} s"
        )

    async def inject(self, scene: Scene) -> str:
        """First the BMC."""
        await bench(scene).bmc(scene.victim, "lying")
        networks = await bench(scene).isolate(scene.victim)
        return f"the BMC of {scene.victim} lies, and {scene.victim} is cut off from {', '.join(networks)}"


FAULT = BmcLying
