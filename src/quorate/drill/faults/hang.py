"""SIGSTOP every process of a service on a node: it keeps its ports and connections, and answers nothing."""

from __future__ import annotations

from quorate.drill.contract import Fault, Processes, Scene
from quorate.drill.processes import describe, find, send, signalling
from quorate.errors import DrillError

STOPPED = "T"


class Hang(Fault):
    """A timer on the node itself wakes the processes after `Scene.thaw_after_s`, even if this client dies."""

    name = "hang"
    summary = "freeze (SIGSTOP) every process of a service on one node"
    needs_service = True

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"freeze (SIGSTOP) every process of {_processes(scene)} on {scene.victim}; they are woken "
            f"(SIGCONT) afterwards, in any case after {scene.thaw_after_s:g} s"
        )

    async def arm(self, scene: Scene) -> str:
        """A transient timer (systemd-run(1)) that sends SIGCONT."""
        found = await find(scene.nodes, scene.victim, _processes(scene))
        wake = signalling(_processes(scene), "CONT", found)
        timer = _timer(scene)
        argv = (
            "systemd-run",
            f"--unit={timer}",
            f"--on-active={scene.thaw_after_s:g}s",
            "--quiet",
            "--",
            *wake,
        )
        done = await scene.nodes.run(scene.victim, argv)
        if done.exit:
            evidence = done.stderr.decode(errors="replace")
            raise DrillError(
                "the timer that would wake it could not be set", where=scene.victim, evidence=evidence
            )
        return f"{timer}.timer on {scene.victim} sends SIGCONT after {scene.thaw_after_s:g} s"

    async def inject(self, scene: Scene) -> str:
        """One SIGSTOP for all."""
        found = await send(scene.nodes, scene.victim, _processes(scene), "STOP")
        return f"SIGSTOP to {describe(found)}"

    async def heal(self, scene: Scene) -> None:
        """SIGCONT to whatever is still stopped; then the timer is not needed any more."""
        found = await find(scene.nodes, scene.victim, _processes(scene))
        if any(process.state == STOPPED for process in found):
            await send(scene.nodes, scene.victim, _processes(scene), "CONT")
        await scene.nodes.run(scene.victim, ("systemctl", "stop", f"{_timer(scene)}.timer"))

    async def healed(self, scene: Scene) -> str | None:
        """The service runs, nothing of it is stopped, and the timer is gone."""
        found = await find(scene.nodes, scene.victim, _processes(scene))
        if not found or any(process.state == STOPPED for process in found):
            return None
        timer = await scene.nodes.run(scene.victim, ("systemctl", "is-active", f"{_timer(scene)}.timer"))
        if timer.stdout.strip() == b"active":
            return None
        return f"nothing of {_processes(scene)} is stopped: {describe(found)}"


def _timer(scene: Scene) -> str:
    return f"quorate-thaw-{scene.run}"


def _processes(scene: Scene) -> Processes:
    assert scene.processes is not None, "the runner names the service of a fault that needs one"
    return scene.processes


FAULT = Hang
