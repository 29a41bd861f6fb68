"""SIGKILL every process of a service on a node, as a crash or the OOM killer would."""

from __future__ import annotations

from quorate.drill.contract import Fault, Processes, Scene
from quorate.drill.processes import describe, find, send


class Kill(Fault):
    """There is nothing to take away afterwards: what has to come back is the service, by itself."""

    name = "kill"
    summary = "kill -9 every process of a service on one node"
    needs_service = True

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return f"kill (SIGKILL) every process of {_processes(scene)} on {scene.victim}"

    async def inject(self, scene: Scene) -> str:
        """One SIGKILL for all."""
        found = await send(scene.nodes, scene.victim, _processes(scene), "KILL")
        return f"SIGKILL to {describe(found)}"

    async def heal(self, scene: Scene) -> None:
        """Nothing: whatever supervises the service has to bring it back."""
        return

    async def healed(self, scene: Scene) -> str | None:
        """It runs again, whoever started it."""
        found = await find(scene.nodes, scene.victim, _processes(scene))
        running = tuple(process for process in found if process.state not in "ZX")
        return f"{_processes(scene)} runs again: {describe(running)}" if running else None


def _processes(scene: Scene) -> Processes:
    assert scene.processes is not None, "the runner names the service of a fault that needs one"
    return scene.processes


FAULT = Kill
