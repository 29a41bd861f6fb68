"""Cut all networks of a node but its BMC's. It goes on running, and writing."""

from __future__ import annotations

from quorate.drill.contract import Scene
from quorate.drill.outside import OutsideFault, bench


class Isolate(OutsideFault):
    """The classic split: both sides live, and only one may own the storage."""

    name = "isolate"
    summary = "cut all networks of a node but its BMC's, while it goes on running and writing"
    fences = True
    why_bench = "this host does not own the switches that the node's network cards are plugged into"

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"cut all networks of {scene.victim} but its BMC's, outside the node: it goes on running and "
            f"writing, and its peers see silence; they come back afterwards, in any case after "
            f"{scene.thaw_after_s:g} s"
        )

    async def inject(self, scene: Scene) -> str:
        """Outside the node, so that its cards keep their carrier."""
        networks = await bench(scene).isolate(scene.victim)
        return f"{scene.victim} is cut off from {', '.join(networks)}"


FAULT = Isolate
