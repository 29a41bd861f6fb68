"""Carries a drill out: steady state, control run, fault under load, healing, proof. It judges nothing.

Whatever happens between the intent and the end, Ctrl-C included and repeated, the fault is healed. Everything
that the checks need goes into the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from quorate.drill import aftermath
from quorate.drill.contract import Fault, Scene, Workload
from quorate.drill.history import Clock, Writer
from quorate.drill.machine import busy, ticks
from quorate.drill.model import Phase
from quorate.drill.pace import Pacer, describe
from quorate.drill.patience import one_interrupt, to_the_end
from quorate.drill.view import View
from quorate.drill.watch import Watch, storage
from quorate.errors import DrillError
from quorate.events import Event, Kind, Listener

NICE = -10
"""Of the client, where it may (nice(2)); it needs few cycles, but at once."""
SAID_S = 30.0
"""For one `quorate status` under the fault."""
PREPARING_S = 1.0
"""Between two words on who is not ready yet."""
VIEW_S = 3.0
"""Between two looks at the whole cluster, or as long as one took: it costs the nodes something, and they are
being measured."""


@dataclass(frozen=True)
class Settings:
    """How long, and how often.

    Args:
        rate_hz: of every workload that has no rate of its own.
        seconds: of the control run, and of the fault.
        steady_s: how long everything has to be good before anything begins.
        patience_s: how long the steady state is waited for.
        heal_s: how long taking the fault away may take.
        recover_s: how long the cluster may take to be whole again.
        preroll_s: of the fault's phase before the injection, so that each outage has a good answer before it.
        poll_s: between two looks at whether something is done.
        fence_s: how much longer than `seconds` a fault lasts at most, until its victim is fenced.
    """

    rate_hz: float = 10.0
    seconds: float = 20.0
    steady_s: float = 3.0
    patience_s: float = 60.0
    heal_s: float = 60.0
    recover_s: float = 300.0
    preroll_s: float = 1.0
    poll_s: float = 0.5
    fence_s: float = 20.0


class Run:
    """One drill.

    Args:
        scene: what it is about; the victim is known.
        fault: what to break.
        target: as the person named it.
        workloads: who is watching.
        view: how the nodes see it.
        writer: the history.
        listener: who is told how far it is.
    """

    def __init__(
        self,
        scene: Scene,
        fault: Fault,
        target: str,
        workloads: Sequence[Workload],
        view: View,
        writer: Writer,
        clock: Clock,
        settings: Settings,
        listener: Listener,
    ) -> None:
        self.scene, self.fault, self.target, self.view = scene, fault, target, view
        self.workloads, self.writer, self.settings, self.tell = tuple(workloads), writer, settings, listener
        self._clock = clock
        self._phase, self._intended = Phase.STEADY, False
        self._pacers = [
            Pacer(each, each.rate_hz or settings.rate_hz, writer.now, lambda: self._phase, writer.request)
            for each in self.workloads
        ]

    async def carry_out(self) -> None:
        """Do it all.

        Raises:
            DrillError: there was no steady state to begin with; nothing was injected.
        """
        since = self._clock.wall()
        try:
            await self._open()
            await self._well()
            async with self._watching():
                await self._steady()
                offsets = await self._clocks()
                async with self._phased(Phase.CONTROL):
                    await self._last(self.settings.seconds)
                await self._break_and_mend()
            await aftermath.settle(
                self.scene, self.workloads, self.view, self.writer, since, offsets, self.tell
            )
            self.writer.write("end")
        finally:
            if not self._intended:
                await aftermath.forget([each for each in self.workloads if each.writes], self.writer)
            await aftermath.close(self.workloads, self.writer)

    async def _open(self) -> None:
        """Get all ready at the same time. What they promise they may know only then."""
        opening = [asyncio.create_task(each.open(), name=each.name) for each in self.workloads]
        try:
            while not all(task.done() for task in opening):
                waiting = [task.get_name() for task in opening if not task.done()]
                self.tell(Event(Kind.PROGRESS, "preparing", ", ".join(waiting)))
                await asyncio.wait(opening, timeout=PREPARING_S, return_when=asyncio.FIRST_EXCEPTION)
                for task in opening:
                    if task.done():
                        task.result()
        finally:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            self._begin()

    def _begin(self) -> None:
        service = self.scene.processes.service if self.scene.processes else self.scene.service
        endpoints = {
            each.name: {
                "rate_hz": each.rate_hz or self.settings.rate_hz,
                "deadline_s": each.deadline_s,
                "budget_s": each.budget(self.fault.name, service) if each.judged else None,
                "waits": each.waits,
                "service": each.service,
                "writes": each.writes,
                "judged": each.judged,
            }
            for each in self.workloads
        }
        self.writer.write(
            "run",
            run=self.scene.run,
            cluster=self.scene.cluster.cluster,
            fault=self.fault.name,
            asked=self.target,
            target=self.scene.victim,
            service=service,
            fences=self.fault.fences,
            unfenceable=self.fault.unfenceable,
            storage={name: each.device for name, each in storage(self.scene).items()},
            outside=self.scene.bench is not None,
            seconds=self.settings.seconds,
            endpoints=endpoints,
        )

    @contextlib.asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """The workloads run, from before the steady state until the cluster is whole again."""
        before, watch = self._hurry(), Watch(self.scene, self.writer)
        looking = asyncio.create_task(watch.run(), name="watch")
        spread = 1 / self.settings.rate_hz / max(1, len(self._pacers))
        tasks = [
            asyncio.create_task(pacer.run(index * spread), name=pacer.workload.name)
            for index, pacer in enumerate(self._pacers)
        ]
        try:
            yield
        finally:
            for pacer in self._pacers:
                pacer.stop()
            watch.stop()
            await asyncio.gather(*tasks)
            self._calm(before)
            await self._looked(looking)

    async def _looked(self, looking: asyncio.Task[None]) -> None:
        try:
            await looking
        except Exception as error:  # noqa: BLE001 - whatever it is: nobody looked, so nothing is proved
            self.writer.write("problem", text=f"nobody looked from outside: {describe(error)}")

    def _hurry(self) -> int:
        """The instrument goes before what it measures: no pauses of its own, first on a busy processor."""
        gc.collect()
        gc.freeze()
        before = os.getpriority(os.PRIO_PROCESS, 0)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
        return before

    def _calm(self, before: int) -> None:
        gc.unfreeze()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, before)

    @contextlib.asynccontextmanager
    async def _phased(self, phase: Phase) -> AsyncIterator[None]:
        self._phase = phase
        self.writer.write("phase", phase=phase, edge="begin")
        self.tell(Event(Kind.STARTED, str(phase)))
        before = ticks()
        yield
        self.writer.write("phase", phase=phase, edge="end", busy=busy(before, ticks()))
        self.tell(Event(Kind.DONE, str(phase)))

    async def _last(self, seconds: float) -> None:
        """Let a phase last its time, and say how far it is."""
        start = self.writer.now()
        while (gone := self.writer.now() - start) < seconds:
            self.tell(
                Event(Kind.PROGRESS, str(self._phase), f"{gone:.0f} of {seconds:.0f} s", gone / seconds)
            )
            await asyncio.sleep(min(self.settings.poll_s, seconds - gone))

    async def _well(self) -> None:
        """Wait until everything is as it should be. Before there is load: such a look is some itself."""

        async def look() -> Sequence[str]:
            return (await self.view.whole()).missing

        await self._until_nothing_is_missing(look)

    async def _steady(self) -> None:
        """Wait until the clients are served, and the cluster bears them."""

        async def look() -> Sequence[str]:
            return await self.view.members() or await self._failing(self.settings.steady_s)

        async with self._phased(Phase.STEADY):
            await self._until_nothing_is_missing(look)

    async def _until_nothing_is_missing(self, look: Callable[[], Awaitable[Sequence[str]]]) -> None:
        deadline = self.writer.now() + self.settings.patience_s
        while missing := await look():
            if self.writer.now() > deadline:
                raise DrillError(
                    "the cluster is not well to begin with, so a drill would prove nothing",
                    evidence="\n".join(missing),
                    next_step="./quorate status",
                )
            self.tell(Event(Kind.PROGRESS, str(Phase.STEADY), missing[0]))
            await asyncio.sleep(self.settings.poll_s)

    async def _failing(self, seconds: float) -> list[str]:
        """The endpoints that do not answer well all the time for so long."""
        before = {pacer: pacer.streak for pacer in self._pacers}
        await asyncio.sleep(seconds)
        judged = [pacer for pacer in self._pacers if pacer.workload.judged]
        return [
            f"{pacer.workload.name} does not answer every request"
            for pacer in judged
            if pacer.streak < max(before[pacer], 1) or pacer.streak < seconds * pacer.rate_hz * 0.5
        ]

    async def _clocks(self) -> dict[str, float]:
        offsets = {}
        for node in self.scene.witnesses:
            offset, within = await self.view.clock_offset(node)
            self.writer.write("clock", node=node, offset=offset, within=within)
            offsets[node] = offset
        return offsets

    async def _break_and_mend(self) -> None:
        with one_interrupt(self._no_sooner):
            try:
                async with self._phased(Phase.FAULT):
                    await self._last(self.settings.preroll_s)
                    self._intended = True
                    await self.writer.write_durably("intent", text=self.fault.explain(self.scene))
                    armed = await self.fault.arm(self.scene)
                    if armed:
                        await self.writer.write_durably("armed", text=armed)
                    began, began_wall = self.writer.now(), self._clock.wall()
                    evidence = await self.fault.inject(self.scene)
                    self.writer.write("injected", evidence=evidence, began=began, began_wall=began_wall)
                    self.tell(Event(Kind.NOTE, "fault", evidence))
                    await self._last(self.settings.seconds - self.settings.preroll_s)
                    await self._fenced()
                    await self._said()
            finally:
                await to_the_end(self._mend(), self._no_sooner)
        async with self._phased(Phase.RECOVERY):
            await self._recover()

    async def _fenced(self) -> None:
        """A victim that has to be fenced stays as it is until it was.

        Mended sooner, it would come back in the middle of its own fencing: another fault than the one named.
        """
        deadline = self.writer.now() + self.settings.fence_s
        while self.fault.fences and await self.view.to_be_fenced(self.scene.victim):
            if self.writer.now() > deadline:
                text = f"{self.scene.victim} was not fenced within {self.settings.fence_s:g} s more"
                self.writer.write("problem", text=text)
                return
            self.tell(Event(Kind.PROGRESS, str(self._phase), f"until {self.scene.victim} is fenced"))
            await asyncio.sleep(self.settings.poll_s)

    async def _said(self) -> None:
        """What a person would be told now, where something has to be explained to them."""
        if not self.fault.unfenceable or self.scene.operator is None:
            return
        try:
            async with asyncio.timeout(SAID_S):
                problems = await self.scene.operator.problems()
        except Exception as error:  # noqa: BLE001 - whatever it is: nothing was said
            self.writer.write("problem", text=f"status said nothing: {describe(error)}")
        else:
            self.writer.write("status", problems=[dict(problem) for problem in problems])

    def _no_sooner(self) -> None:
        text = f"not before the fault is taken away: that takes at most {self.settings.heal_s:g} s"
        self.tell(Event(Kind.NOTE, "interrupted", text))

    async def _mend(self) -> None:
        """Heal until it is proved, within `Settings.heal_s`; what cannot be healed is said loudly."""
        self._phase = Phase.RECOVERY
        self.tell(Event(Kind.STARTED, "healing", f"for at most {self.settings.heal_s:g} s"))
        last = "there is no proof"
        with contextlib.suppress(OSError):  # A full disk must not keep the fault.
            await self.writer.write_durably("heal")
        try:
            async with asyncio.timeout(self.settings.heal_s):
                while True:
                    try:
                        await self.fault.heal(self.scene)
                        evidence = await self.fault.healed(self.scene)
                    except Exception as error:  # noqa: BLE001 - whatever it is, it may be over the next time
                        evidence, last = None, describe(error)
                    if evidence:
                        break
                    await asyncio.sleep(self.settings.poll_s)
        except TimeoutError:
            text = f"the fault could not be taken away within {self.settings.heal_s:g} s: {last}"
            self.tell(Event(Kind.FAILED, "healing", text))
            await self.writer.write_durably("problem", text=text)
        else:
            self.tell(Event(Kind.DONE, "healing", evidence))
            await self.writer.write_durably("healed", evidence=evidence)

    async def _recover(self) -> None:
        deadline, missing = self.writer.now() + self.settings.recover_s, ["nobody looked"]
        while (began := self.writer.now()) < deadline:
            # The cheap questions first: looking at everything costs the nodes what they may be short of.
            missing = await self.view.members() or await self._failing(self.settings.steady_s)
            if not missing:
                whole = await self.view.whole()
                if not whole.missing:
                    self.writer.write("recovered", evidence=whole.evidence)
                    return
                missing = list(whole.missing)
            self.tell(Event(Kind.PROGRESS, str(Phase.RECOVERY), missing[0]))
            await asyncio.sleep(max(VIEW_S, self.writer.now() - began))
        text = f"not whole within {self.settings.recover_s:g} s: {'; '.join(missing[:4])}"
        self.writer.write("problem", text=text)
        self.tell(Event(Kind.FAILED, str(Phase.RECOVERY), text))
