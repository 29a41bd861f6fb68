"""Whatever happens between the intent and the end, the fault is healed, and the history says so."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quorate.cli.common import Terminated, run_async
from quorate.drill.contract import Attempt, Fault, Scene, Workload
from quorate.drill.history import Clock, History, Writer, load
from quorate.drill.judge import judge
from quorate.drill.ledger import ReadBack
from quorate.drill.model import Verdict
from quorate.drill.runner import Run, Settings
from quorate.drill.view import Whole
from quorate.errors import DrillError, TransportError
from quorate.events import Listener, silent

QUICK = Settings(
    rate_hz=100, seconds=0.3, steady_s=0.05, patience_s=0.2, heal_s=2, recover_s=1, preroll_s=0.1, poll_s=0.05
)
NODES = ("c1", "c2", "c3")


class World:
    """A service that is up or down, and a cluster that agrees."""

    def __init__(self) -> None:
        self.broken, self.well, self.keeps = False, True, True
        self.asked = self.fenced_after = 0
        self.held: list[int] = []
        self.felt = asyncio.Event()


class Writes(Workload):
    name, summary, service, writes, deadline_s = "rows", "", "none", True, 0.2

    def __init__(self, world: World) -> None:
        self.world = world

    async def open(self) -> None:
        return

    async def request(self, attempt: Attempt) -> None:
        attempt.sent = True
        if self.world.broken:
            raise ConnectionResetError
        if self.world.keeps or attempt.number % 10:
            self.world.held.append(attempt.number)

    async def forget(self) -> None:
        self.world.held.clear()

    async def read_back(self) -> Sequence[ReadBack]:
        return [ReadBack(self.name, node, tuple(self.world.held)) for node in NODES]


class Break(Fault):
    name, summary = "break", ""

    def __init__(
        self, world: World, *, crash: bool = False, stubborn: int = 0, error: type[Exception] = TransportError
    ) -> None:
        self.world, self.crash, self.stubborn, self.healed_times = world, crash, stubborn, 0
        self.error = error
        self.mended = asyncio.Event()
        """Set when the first try at it begins."""

    def explain(self, scene: Scene) -> str:
        return "break it"

    async def inject(self, scene: Scene) -> str:
        self.world.broken = True
        self.world.felt.set()
        if self.crash:
            raise DrillError("half of it worked")
        return "broken"

    async def heal(self, scene: Scene) -> None:
        self.healed_times += 1
        self.mended.set()
        if self.healed_times <= self.stubborn:
            raise self.error("the node does not answer yet")
        self.world.broken = False

    async def healed(self, scene: Scene) -> str | None:
        return None if self.world.broken else "mended"


class Sight:
    """`view.View` over `World`."""

    def __init__(self, world: World) -> None:
        self.world, self.nodes = world, self

    async def whole(self) -> Whole:
        return Whole(() if self.world.well else ("c1 is not online",), "all well")

    async def members(self) -> list[str]:
        return [] if self.world.well else ["c1 is not online"]

    async def to_be_fenced(self, node: str) -> bool:
        self.world.asked += 1
        return self.world.asked <= self.world.fenced_after

    async def holders(self, addresses: set[str]) -> dict[str, list[str]]:
        return {address: ["c2"] for address in addresses}

    async def clock_offset(self, node: str) -> tuple[float, float]:
        return 0.0, 0.001

    async def run(self, node: str, argv: Sequence[str], **_: Any) -> Any:
        out = b"+00:00" if argv[0] == "date" else b""
        return SimpleNamespace(exit=0 if argv[0] != "tail" else 1, stdout=out, stderr=b"")


def scene() -> Scene:
    cluster = SimpleNamespace(cluster="t", controllers=NODES, nodes=dict.fromkeys(NODES), services={})
    nothing: Any = None
    return Scene("r", cluster, nothing, "", {"k": "10.0.0.1"}, {}, nothing, nothing, victim="c1")  # type: ignore[arg-type]


async def drill(
    folder: Path,
    world: World,
    fault: Fault,
    *,
    cancel: bool = False,
    settings: Settings = QUICK,
    tell: Listener = silent,
) -> History:
    sight: Any = Sight(world)
    with Writer(folder, Clock()) as writer:
        run = Run(scene(), fault, "c1", [Writes(world)], sight, writer, Clock(), settings, tell)
        task = asyncio.create_task(run.carry_out())
        if cancel:
            await world.felt.wait()
            await asyncio.sleep(0.05)
            task.cancel()
        try:
            await task
        except (asyncio.CancelledError, DrillError):
            if not cancel:
                raise
    return load(folder)


async def test_a_whole_drill(tmp_path: Path) -> None:
    world = World()
    history = await drill(tmp_path / "r", world, Break(world))
    kinds = [record["type"] for record in history.records]
    order = ["run", "intent", "injected", "heal", "healed", "recovered", "holders", "journals", "end"]
    assert [kind for kind in kinds if kind in order] == order
    result = judge(history)
    assert result.writes.lost == 0
    assert result.writes.unknown > 10
    assert len(result.outages) == 1
    assert {each.check for each in result.findings if each.verdict is Verdict.FAIL} == set()


async def test_a_store_that_forgets_comes_out_red(tmp_path: Path) -> None:
    """The negative control of the whole chain: one acknowledged write in ten is not kept."""
    world = World()
    world.keeps = False
    result = judge(await drill(tmp_path / "r", world, Break(world)))
    assert result.verdict is Verdict.FAIL
    assert result.writes.lost > 5


async def test_ctrl_c_under_the_fault_heals(tmp_path: Path) -> None:
    world = World()
    history = await drill(tmp_path / "r", world, Break(world, stubborn=1), cancel=True)
    assert not world.broken
    assert history.first("injected") is not None
    assert history.first("healed") is not None
    assert judge(history).verdict is not Verdict.PASS


async def test_an_injection_that_fails_half_way_is_healed(tmp_path: Path) -> None:
    world = World()
    with pytest.raises(DrillError, match="half of it"):
        await drill(tmp_path / "r", world, Break(world, crash=True))
    assert not world.broken
    assert load(tmp_path / "r").first("healed") is not None


async def test_healing_is_tried_until_it_is_proved(tmp_path: Path) -> None:
    world = World()
    fault = Break(world, stubborn=2)
    history = await drill(tmp_path / "r", world, fault)
    assert fault.healed_times == 3
    assert history.first("healed") is not None


@pytest.mark.parametrize(("fenced_after", "problems"), [(3, 0), (10**9, 1)])
async def test_a_fault_lasts_until_its_victim_is_fenced(
    tmp_path: Path, fenced_after: int, problems: int
) -> None:
    class Fences(Break):
        fences = True

    world = World()
    world.fenced_after = fenced_after
    fault = Fences(world)
    history = await drill(tmp_path / "r", world, fault, settings=replace(QUICK, fence_s=0.3))
    assert world.asked > 3
    assert len(history.all("problem")) == problems
    assert fault.healed_times == 1


async def test_an_error_that_nobody_expected_does_not_end_the_healing(tmp_path: Path) -> None:
    world = World()
    fault = Break(world, stubborn=2, error=KeyError)
    history = await drill(tmp_path / "r", world, fault)
    assert fault.healed_times == 3
    assert history.first("healed") is not None


async def test_what_cannot_be_healed_is_said_and_is_no_pass(tmp_path: Path) -> None:
    world = World()
    settings = replace(QUICK, heal_s=0.2, recover_s=0.1)
    history = await drill(
        tmp_path / "r", world, Break(world, stubborn=1000, error=KeyError), settings=settings
    )
    problems = [record["text"] for record in history.all("problem")]
    assert any("could not be taken away" in text and "KeyError" in text for text in problems)
    assert judge(history).verdict is not Verdict.PASS


async def test_a_healer_that_hangs_is_given_up(tmp_path: Path) -> None:
    class Hangs(Break):
        async def heal(self, scene: Scene) -> None:
            await asyncio.Event().wait()

    world = World()
    async with asyncio.timeout(20):
        history = await drill(
            tmp_path / "r", world, Hangs(world), settings=replace(QUICK, heal_s=0.2, recover_s=0.1)
        )
    assert history.first("healed") is None


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_being_told_again_and_again_to_stop_does_not_stop_the_healing(
    tmp_path: Path, sent: signal.Signals
) -> None:
    said: list[str] = []

    async def work() -> None:
        world = World()
        fault = Break(world, stubborn=4)

        async def impatient() -> None:
            await world.felt.wait()
            os.kill(os.getpid(), sent)
            await fault.mended.wait()
            for _ in range(3):
                os.kill(os.getpid(), sent)
                await asyncio.sleep(0.02)

        person = asyncio.create_task(impatient())
        try:
            await drill(tmp_path / "r", world, fault, tell=lambda event: said.append(event.subject))
        finally:
            person.cancel()

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt if sent == signal.SIGINT else Terminated):
        run_async(work())
    assert load(tmp_path / "r").first("healed") is not None
    assert "interrupted" in said
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_that_comes_while_healing_takes_effect_afterwards(tmp_path: Path) -> None:
    async def work() -> None:
        world = World()
        fault = Break(world, stubborn=2)

        async def person() -> None:
            await fault.mended.wait()
            os.kill(os.getpid(), signal.SIGINT)

        asking = asyncio.create_task(person())
        await drill(tmp_path / "r", world, fault)
        await asking

    with pytest.raises(KeyboardInterrupt):
        run_async(work())
    history = load(tmp_path / "r")
    assert history.first("healed") is not None
    assert history.first("end") is None


async def test_without_a_steady_state_nothing_is_broken(tmp_path: Path) -> None:
    world = World()
    world.well = False
    with pytest.raises(DrillError, match="not well to begin with"):
        await drill(tmp_path / "r", world, Break(world))
    assert world.held == [], "nothing stays of a drill that broke nothing"
    history = load(tmp_path / "r")
    assert not history.requests, "clients would be load on what is not well"
    assert history.first("intent") is None
    assert judge(history).verdict is Verdict.UNKNOWN


class Prepares(Writes):
    """Makes something before the first request, or fails to; takes it away again, or does not."""

    def __init__(self, world: World, *, fails: bool = False, stays: bool = False) -> None:
        super().__init__(world)
        self.fails, self.stays, self.there = fails, stays, False

    async def open(self) -> None:
        self.there = True
        if self.fails:
            raise DrillError("no room")
        if self.name == "slow":
            await asyncio.sleep(3600)

    async def afterwards(self) -> dict[str, object]:
        return {"guest": {"status": "ACTIVE"}}

    async def close(self) -> None:
        if self.stays:
            raise DrillError("it does not go")
        self.there = False


async def _prepared(folder: Path, world: World, *watching: Prepares) -> History:
    sight: Any = Sight(world)
    with Writer(folder, Clock()) as writer:
        run = Run(scene(), Break(world), "c1", watching, sight, writer, Clock(), QUICK, silent)
        await run.carry_out()
    return load(folder)


async def test_who_cannot_get_ready_takes_nobody_with_it(tmp_path: Path) -> None:
    """One that fails ends the preparation of the others, all of what they made goes, and it is recorded."""
    world = World()
    slow, failing = Prepares(world), Prepares(world, fails=True)
    slow.name = "slow"
    with pytest.raises(DrillError, match="no room"):
        await asyncio.wait_for(_prepared(tmp_path / "r", world, slow, failing), 30)
    assert not slow.there and not failing.there and not world.broken
    assert set(load(tmp_path / "r").endpoints) == {"slow", "rows"}


async def test_what_became_of_it_and_what_was_left_is_recorded(tmp_path: Path) -> None:
    world = World()
    history = await _prepared(tmp_path / "r", world, Prepares(world, stays=True))
    assert history.first("afterwards")["guest"] == {"status": "ACTIVE"}  # type: ignore[index]
    assert "it does not go" in str(history.all("left"))
