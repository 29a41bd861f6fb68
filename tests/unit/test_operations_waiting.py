"""A service that stays down because nobody knows whether its node is off: said, with the next step."""

from __future__ import annotations

from dataclasses import replace

import pytest
from service_things import bare

from quorate.operations.diagnosis import diagnose
from quorate.operations.observation import NodeLook, Observation
from quorate.operations.problems import Problem, Severity
from quorate.pacemaker.state import ClusterState, FenceEvent, NodeState, ResourceState
from quorate.spec.model import Mode

NAMES = ("w1", "w2", "q1")
CLUSTER = bare(NAMES, {"web": {"unit": "apache2", "vip": "10.77.1.20", "port": 80}})
FAILED = FenceEvent("w1", "reboot", "failed", reason="no answer from 10.77.2.11")


def found(*, unclean: bool, holder: str = "w1", events: tuple[FenceEvent, ...] = (FAILED,)) -> list[Problem]:
    """What is said of web when w1 is gone."""
    gone = NodeState("w1", online=False, unclean=unclean)
    nodes = (gone, *(NodeState(name, online=True, dc=name == "w2") for name in NAMES[1:]))
    members = (("vip-web", "ocf:heartbeat:IPaddr2"), ("web-unit", "ocf:quorate:unit"))
    group = tuple(ResourceState(one, "web", agent, "Started", (holder,)) for one, agent in members)
    view = ClusterState("w2", quorate=True, maintenance=False, nodes=nodes, resources=group, fencing=events)
    looks = {name: NodeLook(name, True, view=view, addresses=frozenset()) for name in NAMES[1:]}
    looks["w1"] = NodeLook("w1", False, why="no answer")
    vips, address = {"web": "10.77.1.20"}, "10.77.1.20"
    seen = Observation(CLUSTER, {"web": Mode.ACTIVE_PASSIVE}, vips, {address: "vip-web"}, looks)
    return [problem for problem in diagnose(seen) if "it waits" in problem.what]


def test_it_says_for_whom_it_waits_and_why_and_what_to_do() -> None:
    (problem,) = found(unclean=True)
    assert (problem.where, problem.severity) == ("web", Severity.CRITICAL)
    assert "w1 had it" in problem.what
    assert "fencing it failed: no answer from 10.77.2.11" in problem.what
    assert "BMC at 10.77.2.11" in problem.next_step
    assert "stonith_admin --confirm=w1" in problem.next_step


def test_a_fence_under_way_is_said_to_be() -> None:
    (problem,) = found(unclean=True, events=(replace(FAILED, status="pending", reason=""),))
    assert "is under way" in problem.what


@pytest.mark.parametrize(("unclean", "holder"), [(False, "w1"), (True, "w2")])
def test_it_is_silent_where_nothing_waits(unclean: bool, holder: str) -> None:
    assert found(unclean=unclean, holder=holder) == []
