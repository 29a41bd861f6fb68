"""Computes that are all taken are one problem, whose next step is what to change."""

from __future__ import annotations

import pytest
from service_things import bare

from quorate.operations.diagnosis import diagnose
from quorate.operations.observation import Finding, NodeLook, Observation
from quorate.operations.problems import Problem, Severity
from quorate.services.base import Health, Judgement
from quorate.spec.model import Mode

NEEDS = {"VCPU": 1, "MEMORY_MB": 128, "DISK_GB": 1}
FREE = {"VCPU": 7, "MEMORY_MB": 22953, "DISK_GB": 11}


def found(**rooms: dict[str, int] | None) -> list[Problem]:
    """What is said where each of the computes has that much free; None: nobody could ask."""
    looks = {}
    for node, free in rooms.items():
        ready = Finding("nova-compute", node, Judgement(Health.OK, "ready"), {"state": "up"})
        state = {"error": "", "free": free, "needs": NEEDS, "strays": []} if free is not None else {}
        room = Finding("nova-compute", node, Judgement(Health.OK, ""), state)
        looks[node] = NodeLook(node, True, addresses=frozenset(), findings=(ready, room))
    seen = Observation(bare(tuple(rooms)), {"nova-compute": Mode.SELF}, {}, {}, looks)
    return [problem for problem in diagnose(seen) if "room" in problem.what]


def test_all_of_them_taken_is_said_with_what_to_do() -> None:
    (problem,) = found(n1={**FREE, "MEMORY_MB": 64}, n2={**FREE, "MEMORY_MB": -32})
    assert (problem.where, problem.severity) == ("nova-compute", Severity.WARNING)
    assert "the smallest flavor takes 128 MiB of memory" in problem.what
    assert "n1 has 64 MiB of memory left, n2 has 0 MiB of memory left" in problem.what
    assert "reserved_host_memory_mib, ram_allocation_ratio" in problem.next_step
    assert "cpu_allocation_ratio" not in problem.next_step


def test_each_may_lack_something_else() -> None:
    (problem,) = found(n1={**FREE, "VCPU": 0}, n2={**FREE, "DISK_GB": 0})
    assert "n1 has 0 processors left, n2 has 0 GiB of disk left" in problem.what
    assert "cpu_allocation_ratio, disk_allocation_ratio" in problem.next_step


@pytest.mark.parametrize(
    "rooms",
    [
        {"n1": FREE, "n2": FREE},
        {"n1": {**FREE, "MEMORY_MB": 0}, "n2": FREE},
        {"n1": {**FREE, "MEMORY_MB": 0}, "n2": {**FREE, "MEMORY_MB": 128}},
        {"n1": None, "n2": None},
        {"n1": {}, "n2": {}},
    ],
)
def test_it_is_silent_while_one_has_room_or_nobody_knows(rooms: dict[str, dict[str, int] | None]) -> None:
    assert found(**rooms) == []
