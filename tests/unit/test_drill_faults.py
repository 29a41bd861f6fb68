"""What faults really run on the nodes, in which order, and when they believe that they are healed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quorate.drill import power as power_module
from quorate.drill.contract import Processes, Scene
from quorate.drill.faults.blackout import Blackout
from quorate.drill.faults.hang import Hang
from quorate.drill.faults.kill import Kill
from quorate.drill.faults.power_off import PowerOff
from quorate.drill.power import IpmiPower
from quorate.drill.processes import of_service
from quorate.errors import DrillError, UsageError
from quorate.transport.base import Completed


class Node:
    """A node with one service of two processes; does what systemctl, kill and ps would."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []
        self.state = {"11": "S", "12": "S"}
        self.timers: set[str] = set()

    async def run(self, node: str, argv: Sequence[str], **_: Any) -> Completed:
        self.said.append(tuple(argv))
        out = ""
        match tuple(argv):
            case ("systemctl", "show", *_):
                out = "/system.slice/web.service"
            case ("cat", _):
                out = "\n".join(self.state)
            case ("ps", *_, pids):
                out = "".join(
                    f"{pid} {self.state[pid]} web\n" for pid in pids.split(",") if pid in self.state
                )
            case ("systemctl", "kill", signal, *_):
                self._signal(signal.removeprefix("--signal="))
            case ("kill", signal, *_):
                self._signal(signal.removeprefix("-"))
            case ("systemd-run", unit, *_):
                self.timers.add(unit.removeprefix("--unit="))
            case ("systemctl", "stop", timer):
                self.timers.discard(timer.removesuffix(".timer"))
            case ("systemctl", "is-active", timer):
                out = "active" if timer.removesuffix(".timer") in self.timers else "inactive"
        return Completed(0, out.encode(), b"")

    def _signal(self, signal: str) -> None:
        if signal == "KILL":
            self.state = {}
        else:
            self.state = dict.fromkeys(self.state, "T" if signal == "STOP" else "S")


def scene(node: Node, power: Any = None, processes: Processes | None = None) -> Scene:
    cluster: Any = SimpleNamespace(controllers=("c1", "c2", "c3"))
    made = processes or Processes("web", unit="web.service")
    nothing: Any = None
    nodes: Any = node
    return Scene("r1", cluster, nothing, "", {}, {}, nodes, power, victim="c1", processes=made)


async def test_a_hang_is_armed_felt_and_healed() -> None:
    node = Node()
    fault, here = Hang(), scene(node)
    assert "60 s" in await fault.arm(here)
    assert node.timers == {"quorate-thaw-r1"}
    assert "2 processes" in await fault.inject(here)
    assert set(node.state.values()) == {"T"}
    assert await fault.healed(here) is None
    await fault.heal(here)
    assert await fault.healed(here)
    assert node.timers == set()
    await fault.heal(here)


async def test_a_hang_is_not_healed_while_its_timer_waits() -> None:
    node = Node()
    await Hang().arm(scene(node))
    assert await Hang().healed(scene(node)) is None


async def test_a_kill_is_healed_when_it_runs_again() -> None:
    node = Node()
    fault, here = Kill(), scene(node)
    await fault.inject(here)
    assert await fault.healed(here) is None
    await fault.heal(here)
    assert not node.state, "a drill never starts what should come back by itself"
    node.state = {"21": "S"}
    assert "21 web" in (await fault.healed(here) or "")


async def test_what_does_not_run_cannot_be_killed() -> None:
    node = Node()
    node.state = {}
    with pytest.raises(DrillError, match="does not run"):
        await Kill().inject(scene(node))


async def test_a_program_outside_systemd_is_hit_by_its_pid_file() -> None:
    node = Node()
    await Kill().inject(scene(node, processes=Processes("galera", pid_file="/run/x.pid")))
    assert ("cat", "/run/x.pid") in node.said
    assert ("kill", "-KILL", "11", "12") in node.said


def test_which_processes_a_service_is() -> None:
    service: Any = SimpleNamespace(name="keystone", units=("keystone.service",))
    assert of_service(service).unit == "keystone.service"
    database: Any = SimpleNamespace(name="galera", units=("mariadb.service",))
    assert of_service(database).pid_file
    nothing: Any = SimpleNamespace(name="vip", units=())
    with pytest.raises(UsageError):
        of_service(nothing)


class Switch:
    """BMCs that do as they are told."""

    def __init__(self) -> None:
        self.lit = {"c1": True, "c2": True, "c3": True}

    async def is_on(self, node: str) -> bool:
        return self.lit[node]

    async def off(self, node: str) -> None:
        self.lit[node] = False

    async def on(self, node: str) -> None:
        self.lit[node] = True


async def test_power_is_cut_and_given_back() -> None:
    power = Switch()
    fault, here = PowerOff(), scene(Node(), power)
    await fault.inject(here)
    assert power.lit == {"c1": False, "c2": True, "c3": True}
    assert await fault.healed(here) is None
    await fault.heal(here)
    assert await fault.healed(here)


async def test_a_blackout_is_healed_when_all_are_on() -> None:
    power = Switch()
    fault, here = Blackout(), scene(Node(), power)
    await fault.inject(here)
    assert not any(power.lit.values())
    await power.on("c2")
    assert await fault.healed(here) is None
    await fault.heal(here)
    assert await fault.healed(here)


async def test_one_bmc_that_refuses_does_not_leave_the_others_dark() -> None:
    class Slow(Switch):
        async def on(self, node: str) -> None:
            if node == "c1":
                raise DrillError("no session", where=node)
            await asyncio.sleep(0.01)
            await super().on(node)

    power = Slow()
    fault, here = Blackout(), scene(Node(), power)
    await fault.inject(here)
    with pytest.raises(DrillError, match="no session"):
        await fault.heal(here)
    assert power.lit == {"c1": False, "c2": True, "c3": True}


@pytest.fixture
def ipmi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IpmiPower:
    """An `IpmiPower` whose ipmitool writes down how it was called."""
    tool = tmp_path / "ipmitool"
    tool.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f"test -e {tmp_path}/silent && exec sleep 60\n"
        f"test -e {tmp_path}/broken && echo 'no session' >&2 && exit 1\necho Chassis Power is on\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "bmc-c1").write_text("s3cret")
    bmc = SimpleNamespace(
        address="10.0.0.9",
        port=623,
        user="admin",
        cipher=3,
        privilege="administrator",
        password_file="bmc-c1",
    )
    cluster: Any = SimpleNamespace(nodes={"c1": SimpleNamespace(bmc=bmc), "c2": SimpleNamespace(bmc=None)})
    return IpmiPower(cluster, tmp_path)


async def test_ipmitool_never_sees_the_password_in_its_arguments(ipmi: IpmiPower, tmp_path: Path) -> None:
    assert await ipmi.is_on("c1")
    await ipmi.off("c1")
    calls = (tmp_path / "calls").read_text()
    assert "s3cret" not in calls
    assert f"-f {tmp_path}/bmc-c1" in calls
    assert calls.strip().endswith("chassis power off")


async def test_a_bmc_that_refuses_is_named(ipmi: IpmiPower, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(DrillError, match="refuses") as caught:
        await ipmi.off("c1")
    assert "no session" in str(caught.value)
    with pytest.raises(DrillError, match="no BMC"):
        await ipmi.off("c2")


async def test_a_bmc_that_says_nothing_is_named(
    ipmi: IpmiPower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "silent").touch()
    monkeypatch.setattr(power_module, "TIMEOUT_S", 0.2)
    with pytest.raises(DrillError, match=r"10\.0\.0\.9") as caught:
        await ipmi.off("c1")
    assert caught.value.where == "c1"
    assert caught.value.next_step.endswith("chassis power status")
