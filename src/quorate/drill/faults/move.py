"""Move a service to another node in order, while clients use it. Nothing is broken, and nobody may notice."""

from __future__ import annotations

from quorate.drill.contract import Fault, Scene
from quorate.errors import DrillError


class Move(Fault):
    """What an operator does before maintenance, held to the same measure as what fate does."""

    name = "move"
    summary = "move an active/passive service to another node in order, under load"
    needs_own = True

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return f"move {scene.service} away from {scene.victim}, in order, while clients use it"

    async def inject(self, scene: Scene) -> str:
        """As `quorate move` does."""
        if scene.operator is None:
            raise DrillError("there is nobody here who could move a service", where=scene.victim)
        return await scene.operator.move(scene.service, scene.victim)

    async def heal(self, scene: Scene) -> None:
        """Nothing: it stays where it is."""
        return

    async def healed(self, scene: Scene) -> str | None:
        """Nothing was broken; that it works where it is now is for the checks."""
        return "nothing was broken"


FAULT = Move
