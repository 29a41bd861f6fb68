"""Freeze a whole machine; what was in flight goes on when it thaws."""

from __future__ import annotations

from quorate.drill.contract import Scene
from quorate.drill.outside import OutsideFault, bench


class Freeze(OutsideFault):
    """A hypervisor that pauses its guest, a machine that waits for its disk: silent, and not dead."""

    name = "freeze"
    summary = "stop a whole machine; it thaws later, unless it was fenced, and goes on where it was"
    fences = True
    why_bench = "nobody on a real host can stop its operating system from outside and let it go on"

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"freeze {scene.victim} as a whole: it says nothing, and nothing on it runs; the others have to "
            f"make sure that it is off before its work goes on; it thaws afterwards, in any case after "
            f"{scene.thaw_after_s:g} s"
        )

    async def inject(self, scene: Scene) -> str:
        """All its processes at once."""
        await bench(scene).freeze(scene.victim)
        return f"every process of {scene.victim} is frozen"


FAULT = Freeze
