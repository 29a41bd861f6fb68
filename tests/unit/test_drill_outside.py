"""Faults from outside the nodes, on a bench in memory: in which order they break, that they are mended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from quorate.drill import drills
from quorate.drill.contract import Fault, Scene
from quorate.drill.faults.bmc_dead import BmcDead
from quorate.drill.faults.bmc_lying import BmcLying
from quorate.drill.faults.bmc_slow import BmcSlow
from quorate.drill.faults.freeze import Freeze
from quorate.drill.faults.isolate import Isolate
from quorate.drill.faults.move import Move
from quorate.errors import DrillError, UsageError
from quorate.home import Home
from quorate.spec.model import Cluster


class Bench:
    """Machines in memory."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.wrong: dict[str, str] = {}
        self.armed: set[str] = set()

    async def freeze(self, node: str) -> None:
        self._break("freeze", "it is frozen")

    async def isolate(self, node: str, network: str = "") -> tuple[str, ...]:
        self._break("isolate", "its link in cluster: cut")
        return ("cluster", "api")

    async def bmc(self, node: str, behaviour: str) -> None:
        self._break(f"bmc {behaviour}", "its BMC")

    async def cut_power(self, node: str) -> None:
        self._break("cut", "it has no power")

    def _break(self, what: str, left: str) -> None:
        self.did.append(what)
        self.wrong[what] = left

    async def mend(self, node: str) -> None:
        self.wrong.clear()

    async def broken(self, node: str) -> tuple[str, ...]:
        return tuple(self.wrong.values())

    async def arm(self, node: str, run: str, after_s: float) -> str:
        self.armed.add(run)
        return f"after {after_s:g} s"

    async def disarm(self, node: str, run: str) -> None:
        self.armed.discard(run)

    def boot(self, node: str) -> str:
        return "1"

    def mounts(self, node: str) -> frozenset[str]:
        return frozenset()


def scene(bench: Bench | None, **more: Any) -> Scene:
    cluster: Any = SimpleNamespace(controllers=("w1", "w2", "q1"), services={})
    nothing: Any = None
    return Scene("r1", cluster, nothing, "", {}, {}, nothing, nothing, victim="w1", bench=bench, **more)


@pytest.mark.parametrize(
    ("fault", "order"),
    [
        (Freeze(), ["freeze"]),
        (Isolate(), ["isolate"]),
        (BmcDead(), ["bmc dead", "cut"]),
        (BmcSlow(), ["bmc slow 1.5", "isolate"]),
        (BmcLying(), ["bmc lying", "isolate"]),
    ],
)
async def test_each_is_armed_breaks_in_order_and_is_mended(fault: Fault, order: list[str]) -> None:
    bench = Bench()
    here = scene(bench)
    assert "60 s" in await fault.arm(here)
    assert bench.armed == {"r1"}
    assert "w1" in await fault.inject(here)
    assert bench.did == order, "the BMC first: nothing is to be confirmed in between"
    assert await fault.healed(here) is None
    await fault.heal(here)
    assert await fault.healed(here)
    assert bench.armed == set()
    await fault.heal(here)
    assert "60 s" in fault.explain(here)


async def test_without_a_hand_outside_nothing_is_broken() -> None:
    with pytest.raises(DrillError, match="no hand outside"):
        await Freeze().inject(scene(None))


async def test_on_real_hosts_it_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    whole = SimpleNamespace(services={}, ctx=SimpleNamespace(controllers=("w1",)))
    monkeypatch.setattr(drills, "platform", lambda *_: whole)
    cluster: Any = SimpleNamespace(cluster="real", controllers=("w1",), services={})
    wish = drills.Wish("bmc-dead", "w1")
    with pytest.raises(UsageError, match="no lab on this host") as caught:
        async with drills.prepare(wish, cluster, Home(tmp_path), tmp_path / "cluster.yaml"):
            pass
    assert "cannot be told to play dead" in str(caught.value)


class Mover:
    """Moves, or says why not."""

    async def problems(self) -> list[dict[str, str]]:
        return []

    async def move(self, service: str, node: str) -> str:
        return f"{service} moved from {node} to w2"


async def test_a_move_is_what_the_command_does() -> None:
    here = scene(None, operator=Mover(), service="web")
    assert await Move().inject(here) == "web moved from w1 to w2"
    assert await Move().healed(here)
    with pytest.raises(DrillError):
        await Move().inject(scene(None, service="web"))


def test_which_service_is_meant_to_move() -> None:
    services = {"web": {"unit": "a"}, "both": {"unit": "b", "mode": "active/active"}}
    cluster = Cluster.model_validate(
        {"apiVersion": "quorate/v1", "cluster": "t", "networks": {}, "nodes": {}, "services": services}
    )
    assert drills._own("move", "", cluster) == "web"
    assert drills._own("move", "web", cluster) == "web"
    with pytest.raises(UsageError, match="active/passive"):
        drills._own("move", "both", cluster)
