"""Judging the cluster layer, and reading what its judgements stand on."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.node import corosync as node_corosync
from quorate.node import fence as node_fence
from quorate.node import haproxy as node_haproxy
from quorate.node import tools
from quorate.pacemaker.state import ClusterState, Failure, FenceEvent, NodeState, ResourceState
from quorate.services import corosync, fencing, haproxy, pacemaker
from quorate.services.base import Health

EXPECTED = ["c1", "c2", "c3"]
MEMBER = {"quorate": True, "members": EXPECTED, "loaded": True, "links_down": []}


@pytest.mark.parametrize(
    ("change", "health"),
    [
        ({}, Health.OK),
        ({"quorate": False, "members": ["c1"]}, Health.FAILED),
        ({"members": ["c1", "c2"]}, Health.DEGRADED),
        ({"links_down": ["c2 link 1"]}, Health.DEGRADED),
        ({"loaded": False}, Health.DEGRADED),
    ],
)
def test_membership(change: dict[str, Any], health: Health) -> None:
    found = corosync.judge(MEMBER | change, EXPECTED)
    assert found.health is health
    assert health is Health.OK or found.next_step


@pytest.mark.parametrize(
    ("change", "health"),
    [
        ({}, Health.OK),
        ({"online": False}, Health.FAILED),
        ({"quorate": False}, Health.FAILED),
        ({"dc": False}, Health.DEGRADED),
        ({"unclean": ["c2"]}, Health.DEGRADED),
    ],
)
def test_the_manager(change: dict[str, Any], health: Health) -> None:
    joined = {"online": True, "dc": True, "decider": "c1", "quorate": True, "unclean": []}
    assert pacemaker.judge(joined | change).health is health


@pytest.mark.parametrize(
    ("servers", "health"),
    [
        ({"web": {"c1": "UP", "c2": "UP"}}, Health.OK),
        ({"web": {"c1": "UP", "c2": "UP 1/2"}}, Health.OK),
        ({"web": {"c1": "UP", "c2": "DOWN"}}, Health.DEGRADED),
        ({"web": {"c1": "DOWN", "c2": "DOWN"}, "db": {"c1": "UP"}}, Health.FAILED),
        ({}, Health.OK),
    ],
)
def test_the_balancer(servers: dict[str, dict[str, str]], health: Health) -> None:
    why = {"web": {"c2": "L4CON Connection refused"}}
    found = haproxy.judge({"servers": servers, "why": why, "sessions": {}})
    assert found.health is health
    assert health is Health.OK or "Connection refused" in found.next_step


def state(*resources: ResourceState, failures: tuple[Failure, ...] = (), fenced: str = "") -> ClusterState:
    events = (FenceEvent("c1", "reboot", fenced, completed="yesterday"),) if fenced else ()
    return ClusterState("c2", True, False, (NodeState("c1", True),), resources, failures, events)


def device(role: str = "Started", *, failed: bool = False) -> ResourceState:
    nodes = ("c2",) if role == "Started" else ()
    return ResourceState("fence-c1", "", "stonith:fence_ipmilan", role, nodes, failed)


@pytest.mark.parametrize(
    ("found", "health"),
    [
        (state(device()), Health.OK),
        (state(device(), fenced="success"), Health.OK),
        (state(device("Stopped")), Health.FAILED),
        (state(device(failed=True), failures=(Failure("fence-c1", "c2", "monitor", "no"),)), Health.FAILED),
        (state(device(), fenced="failed"), Health.FAILED),
        (state(device(), fenced="pending"), Health.DEGRADED),
        (state(), Health.FAILED),
    ],
)
def test_a_fencing_device(found: ClusterState, health: Health) -> None:
    assert fencing.judge_device(found, "c1").health is health


def test_links_that_are_down_are_named_by_node() -> None:
    stats = {
        "stats.knet.node11.link0.connected": "1",
        "stats.knet.node11.link0.enabled": "1",
        "stats.knet.node12.link0.connected": "1",
        "stats.knet.node12.link0.enabled": "1",
        "stats.knet.node12.link1.connected": "0",
        "stats.knet.node12.link1.enabled": "1",
        "stats.knet.node12.link2.connected": "0",
        "stats.knet.node12.link2.enabled": "0",
    }
    assert node_corosync.links_down(stats, {"11": "c1", "12": "c2"}) == ["c2 link 1"]


@pytest.mark.parametrize(
    ("done", "answers", "said"),
    [
        (tools.Done(0, "Status: ON", ""), True, ""),
        (tools.Done(2, "Status: OFF", ""), True, ""),
        (
            tools.Done(1, "", "Error: Unable to establish IPMI v2 / RMCP+ session"),
            False,
            "refuses the password",
        ),
        (tools.Done(1, "", "ERROR: Connection timed out"), False, "does not answer"),
        (tools.Done(1, "", "something new"), False, "cannot use it"),
    ],
)
def test_asking_a_bmc(monkeypatch: pytest.MonkeyPatch, done: tools.Done, answers: bool, said: str) -> None:
    asked: dict[str, Any] = {}

    def run(argv: list[str], **options: Any) -> tools.Done:
        asked.update(options, argv=argv)
        return done

    monkeypatch.setattr(tools, "run", run)
    args = {
        "agent": "fence",
        "options": {"ip": "10.0.2.11"},
        "node": "c1",
        "bmc": "10.0.2.11:623",
        "timeout_s": 5,
    }
    found = node_fence.look(args)
    assert found["answers"] is answers
    assert said in found["reason"]
    assert asked["argv"] == ["fence"]
    assert asked["stdin"].startswith("ip=10.0.2.11\naction=status\n")
    if not answers:
        with pytest.raises(tools.Failed, match=r"BMC of c1 at 10\.0\.2\.11:623"):
            node_fence.fix(args, {"answers": True}, ["answers"])


def test_reading_the_balancers_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "# pxname,svname,scur,status,type,check_status,check_code,last_chk,\n"
        "web,FRONTEND,0,OPEN,0,,,,\n"
        "web,c1,3,UP,2,L7OK,200,,\n"
        "web,c2,0,DOWN,2,L7TOUT,,timeout,\n"
        "web,BACKEND,3,UP,1,,,,\n"
    )
    monkeypatch.setattr(node_haproxy, "ask", lambda *_: text)
    found = node_haproxy.look({"socket": "/x", "timeout_s": 1})
    assert found["servers"] == {"web": {"c1": "UP", "c2": "DOWN"}}
    assert found["why"] == {"web": {"c2": "L7TOUT timeout"}}
    assert found["sessions"] == {"web": {"c1": 3, "c2": 0}}
