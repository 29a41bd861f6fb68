"""A BMC that takes its time, of a node that has to be fenced."""

from __future__ import annotations

from quorate.drill.contract import Scene
from quorate.drill.outside import OutsideFault, bench

SLOW_S = 1.5
"""Added to each answer of the BMC: less than what the fence agent waits for one by default (2 s), so that the
fencing has to succeed, in several times its usual time."""


class BmcSlow(OutsideFault):
    """Slow is not dead: the cluster has to wait for it, and for nothing else."""

    name = "bmc-slow"
    summary = "make a node's BMC answer slowly, then cut the node's networks: fencing takes its time"
    fences = True
    why_bench = "a BMC cannot be told to be slow, nor this host's switches to cut a node off"

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"make the BMC of {scene.victim} take {SLOW_S:g} s longer for each answer, then cut all "
            f"other networks of {scene.victim}; all of it is mended afterwards, in any case after "
            f"{scene.thaw_after_s:g} s"
        )

    async def inject(self, scene: Scene) -> str:
        """First the BMC."""
        await bench(scene).bmc(scene.victim, f"slow {SLOW_S:g}")
        networks = await bench(scene).isolate(scene.victim)
        return f"the BMC of {scene.victim} is slow, and {scene.victim} is cut off from {', '.join(networks)}"


FAULT = BmcSlow
