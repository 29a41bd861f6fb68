"""From synthetic looks to problems: every rule is seen to fire, and to be silent when all is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from service_things import bare

from quorate.operations.diagnosis import diagnose
from quorate.operations.observation import Finding, NodeLook, Observation, Power
from quorate.operations.problems import Problem, Severity, merged
from quorate.operations.status import Status, status
from quorate.pacemaker.state import ClusterState, Failure, FenceEvent, NodeState, ResourceState
from quorate.services.base import Health, Judgement
from quorate.spec.model import Mode

NAMES = ("c1", "c2", "c3")
VIP = "10.77.1.101"
CLUSTER = bare(NAMES)
RESOURCES = (
    ResourceState("vip-keystone", "", "ocf:heartbeat:IPaddr2", "Started", ("c2",)),
    *(ResourceState(f"fence-{n}", "", "stonith:fence_ipmilan", "Started", ("c1",)) for n in NAMES),
    *(ResourceState("haproxy", "haproxy-clone", "ocf:quorate:unit", "Started", (n,)) for n in NAMES),
)
VIEW = ClusterState(
    dc="c1",
    quorate=True,
    maintenance=False,
    nodes=tuple(NodeState(name, online=True, dc=name == "c1") for name in NAMES),
    resources=RESOURCES,
)


def look(name: str, view: ClusterState | None = VIEW, **more: Any) -> NodeLook:
    vip = {VIP} if name == "c2" else set()
    defaults: dict[str, Any] = {
        "addresses": frozenset({f"10.77.0.1{name[1]}", *vip}),
        "findings": (Finding("keystone", name, Judgement(Health.OK, "token issued")),),
    }
    return NodeLook(name, True, view=view, **{**defaults, **more})


def dead(name: str, **more: Any) -> NodeLook:
    return NodeLook(name, False, why="no route to host", **more)


def seen(*looks: NodeLook) -> Observation:
    found = {name: look(name) for name in NAMES} | {each.node: each for each in looks}
    return Observation(
        CLUSTER, {"keystone": Mode.ACTIVE_ACTIVE}, {"keystone": VIP}, {VIP: "vip-keystone"}, found
    )


def everywhere(view: ClusterState, *looks: NodeLook) -> Observation:
    return seen(*(look(name, view) for name in NAMES), *looks)


def with_node(name: str, view: ClusterState = VIEW, **change: Any) -> ClusterState:
    nodes = tuple(replace(node, **change) if node.name == name else node for node in view.nodes)
    return replace(view, nodes=nodes)


def with_resource(resource: str, view: ClusterState = VIEW, **change: Any) -> ClusterState:
    found = tuple(replace(one, **change) if one.id == resource else one for one in view.resources)
    return replace(view, resources=found)


def without_c3(**more: Any) -> Observation:
    """c3 is gone; its peers know."""
    view = with_node("c3", online=False)
    left = tuple(one for one in view.resources if one.parent == "" or one.nodes != ("c3",))
    view = replace(view, resources=left)
    return seen(look("c1", view), look("c2", view), dead("c3", **more))


def the(problems: tuple[Problem, ...], word: str) -> Problem:
    found = [problem for problem in problems if word in problem.what]
    assert len(found) == 1, problems
    return found[0]


def test_nothing_is_wrong() -> None:
    assert diagnose(seen()) == ()
    assert status(seen()).exit_code == 0


CASES: Mapping[str, tuple[Observation, str, str, Severity]] = {
    "power off": (without_c3(power=Power.OFF), "has no power", "c3", Severity.WARNING),
    "power on, silent": (without_c3(power=Power.ON), "it has power but", "c3", Severity.WARNING),
    "power unknown": (without_c3(), "nobody knows if it has power", "c3", Severity.WARNING),
    "only ssh is dead": (seen(dead("c3")), "takes part in the cluster", "c3", Severity.WARNING),
    "pacemaker down": (
        seen(look("c3", None, why_no_view="crm_mon: connection failed")),
        "its Pacemaker does not answer: crm_mon",
        "c3",
        Severity.WARNING,
    ),
    "joining": (everywhere(with_node("c3", pending=True)), "is joining", "c3", Severity.WARNING),
    "unclean": (
        everywhere(with_node("c3", unclean=True)),
        "nobody knows what it is doing",
        "c3",
        Severity.CRITICAL,
    ),
    "standby": (everywhere(with_node("c2", standby=True)), "in standby", "c2", Severity.WARNING),
    "node maintenance": (
        everywhere(with_node("c2", maintenance=True)),
        "in maintenance",
        "c2",
        Severity.WARNING,
    ),
    "cluster maintenance": (
        everywhere(replace(VIEW, maintenance=True)),
        "the cluster is in maintenance",
        "demo",
        Severity.WARNING,
    ),
    "no quorum": (
        everywhere(replace(VIEW, quorate=False)),
        "no majority: 2 of 3",
        "demo",
        Severity.CRITICAL,
    ),
    "nobody answers": (
        seen(*(dead(name) for name in NAMES)),
        "no node answers",
        "demo",
        Severity.CRITICAL,
    ),
    "pacemaker nowhere": (
        seen(*(look(name, None) for name in NAMES)),
        "Pacemaker answers on no node",
        "demo",
        Severity.CRITICAL,
    ),
    "two deciders": (
        seen(look("c3", replace(VIEW, dc="c3"))),
        "different deciders: c1, c3",
        "c1, c2, c3",
        Severity.CRITICAL,
    ),
    "electing": (everywhere(replace(VIEW, dc="")), "electing", "demo", Severity.WARNING),
    "clock": (seen(look("c2", clock_ahead_s=-7.2)), "7 s behind", "c2", Severity.WARNING),
    "disk filling": (seen(look("c2", disks={"/": 90.0})), "90 % full", "c2", Severity.WARNING),
    "disk full": (seen(look("c2", disks={"/": 99.0})), "99 % full", "c2", Severity.CRITICAL),
    "vip nowhere": (
        seen(look("c2", addresses=frozenset())),
        "virtual IP is on no node",
        f"keystone ({VIP})",
        Severity.CRITICAL,
    ),
    "vip twice": (
        seen(look("c3", addresses=frozenset({VIP}))),
        "on 2 nodes at once: c2, c3",
        f"keystone ({VIP})",
        Severity.CRITICAL,
    ),
    "no fencing": (
        everywhere(replace(VIEW, resources=tuple(r for r in RESOURCES if "stonith" not in r.agent))),
        "no fencing device",
        "demo",
        Severity.CRITICAL,
    ),
    "device failed": (
        everywhere(with_resource("fence-c2", failed=True)),
        "fencing device does not work",
        "fence-c2",
        Severity.WARNING,
    ),
    "device stopped": (
        everywhere(with_resource("fence-c2", nodes=(), role="Stopped")),
        "fencing device does not work",
        "fence-c2",
        Severity.WARNING,
    ),
    "fencing failed": (
        everywhere(replace(VIEW, fencing=(FenceEvent("c3", "off", "failed", reason="timed out"),))),
        "last attempt to fence it failed: timed out",
        "c3",
        Severity.WARNING,
    ),
    "fencing now": (
        everywhere(replace(VIEW, fencing=(FenceEvent("c3", "off", "pending"),))),
        "being fenced",
        "c3",
        Severity.WARNING,
    ),
    "operation failed": (
        everywhere(replace(VIEW, failures=(Failure("haproxy", "c1", "monitor", "not running"),))),
        "monitor of haproxy failed: not running",
        "c1",
        Severity.WARNING,
    ),
    "blocked": (
        everywhere(with_resource("vip-keystone", blocked=True)),
        "leaves vip-keystone alone",
        "c2",
        Severity.CRITICAL,
    ),
    "unmanaged": (
        everywhere(with_resource("vip-keystone", managed=False)),
        "vip-keystone is not managed",
        "c2",
        Severity.WARNING,
    ),
    "clone missing": (
        everywhere(replace(VIEW, resources=RESOURCES[:-1])),
        "haproxy-clone does not run on it",
        "c3",
        Severity.WARNING,
    ),
    "clone nowhere": (
        everywhere(with_resource("haproxy", nodes=(), role="Stopped")),
        "haproxy-clone runs nowhere",
        "demo",
        Severity.CRITICAL,
    ),
    "service degraded": (
        seen(look("c1", findings=(Finding("keystone", "c1", Judgement(Health.DEGRADED, "slow")),))),
        "keystone: slow",
        "c1",
        Severity.WARNING,
    ),
    "service down on one": (
        seen(look("c1", findings=(Finding("keystone", "c1", Judgement(Health.FAILED, "503")),))),
        "keystone: 503",
        "c1",
        Severity.WARNING,
    ),
    "service down on all": (
        seen(
            *(
                look(name, findings=(Finding("keystone", name, Judgement(Health.FAILED, "503")),))
                for name in NAMES
            )
        ),
        "keystone: 503",
        "c1, c2, c3",
        Severity.CRITICAL,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_fires_once_with_its_place_and_a_next_step(case: str) -> None:
    observation, word, where, severity = CASES[case]
    problem = the(diagnose(observation), word)
    assert (problem.where, problem.severity) == (where, severity)
    assert len(problem.next_step) > 3
    assert status(observation).exit_code in (1, 2)


def test_the_bmc_to_use_is_named() -> None:
    assert "10.77.2.13" in the(diagnose(without_c3(power=Power.OFF)), "no power").next_step


def test_a_node_that_is_off_is_one_problem_and_not_a_dozen() -> None:
    assert len(diagnose(without_c3(power=Power.OFF))) == 1


def test_a_fence_that_succeeded_after_one_that_failed_is_no_problem() -> None:
    events = (FenceEvent("c3", "off", "success"), FenceEvent("c3", "off", "failed"))
    assert diagnose(everywhere(replace(VIEW, fencing=events))) == ()


def test_a_dead_fencing_device_is_critical_while_its_node_is_gone() -> None:
    observation = without_c3(power=Power.OFF)
    view = observation.looks["c1"].view
    assert view is not None
    broken = with_resource("fence-c3", view, failed=True)
    problems = diagnose(seen(look("c1", broken), look("c2", broken), dead("c3")))
    assert the(problems, "fencing device").severity is Severity.CRITICAL


def test_an_operation_that_failed_is_not_reported_a_second_time_as_missing() -> None:
    failed = Failure("haproxy", "c3", "start", "port in use")
    view = replace(VIEW, resources=RESOURCES[:-1], failures=(failed,))
    assert len(diagnose(everywhere(view))) == 1


def test_an_address_on_a_node_that_cannot_be_asked_is_believed_to_be_where_the_cluster_says() -> None:
    assert seen(dead("c2")).holders(VIP) == ("c2",)


def test_the_view_of_a_node_without_quorum_is_not_believed() -> None:
    alone = with_node("c1", replace(VIEW, quorate=False, dc="c3"), online=False)
    observation = seen(look("c3", alone))
    assert observation.view is VIEW
    assert observation.online("c1")


def test_problems_that_differ_only_in_where_are_joined_and_the_worst_comes_first() -> None:
    found = merged(
        [
            Problem("slow", "c1", "wait"),
            Problem("gone", "c2", "mend", Severity.CRITICAL),
            Problem("slow", "c3", "wait"),
        ]
    )
    assert [(each.what, each.where) for each in found] == [("gone", "c2"), ("slow", "c1, c3")]


def test_what_is_only_worth_knowing_does_not_make_it_unhealthy() -> None:
    assert Status(seen(), (Problem("note", "c1", "-", Severity.INFO),)).healthy


def test_exit_codes() -> None:
    assert status(without_c3()).exit_code == 1
    assert status(seen(*(dead(name) for name in NAMES))).exit_code == 2


def test_json_has_what_the_contract_promises() -> None:
    document = status(without_c3(power=Power.OFF)).as_json()
    assert document["healthy"] is False
    assert document["quorate"] is True
    assert [(node["name"], node["online"]) for node in document["nodes"]] == [
        ("c1", True),
        ("c2", True),
        ("c3", False),
    ]
    assert document["nodes"][2]["power"] == "off"
    assert {key: document["vips"][0][key] for key in ("name", "address", "holder")} == {
        "name": "keystone",
        "address": VIP,
        "holder": "c2",
    }
    service = document["services"][0]
    assert (service["name"], service["mode"]) == ("keystone", "active/active")
    assert {"node": "c1", "state": "ok", "text": "token issued"} in service["nodes"]
    assert set(document["problems"][0]) == {"what", "where", "next_step", "severity"}


def test_less_redundancy_for_want_of_a_node_that_is_gone_is_said_once() -> None:
    observation = without_c3(power=Power.OFF)
    degraded = Finding("keystone", "c1", Judgement(Health.DEGRADED, "quorate without c3"))
    looks = {**observation.looks, "c1": replace(observation.looks["c1"], findings=(degraded,))}
    assert len(diagnose(replace(observation, looks=looks))) == 1


def galera(**states: Mapping[str, Any]) -> Observation:
    looks = [
        look(name, findings=(Finding("galera", name, Judgement(Health.OK), state),))
        for name, state in states.items()
    ]
    return replace(seen(*looks), modes={"galera": Mode.SELF})


MEMBER = {"component": "Primary", "size": 3, "comment": "Synced"}


@pytest.mark.parametrize(
    ("observation", "word", "severity"),
    [
        (
            galera(**{key: {**MEMBER, "component": "non-Primary"} for key in NAMES}),
            "nobody can read",
            "critical",
        ),
        (galera(**{key: {**MEMBER, "size": 1} for key in NAMES}), "the data is split", "critical"),
        (galera(c1=MEMBER, c2=MEMBER, c3={**MEMBER, "size": 1}), "do not agree how many", "warning"),
    ],
)
def test_databases_that_are_apart(observation: Observation, word: str, severity: str) -> None:
    assert the(diagnose(observation), word).severity == severity


def test_databases_that_are_together() -> None:
    observation = galera(**dict.fromkeys(NAMES, MEMBER))
    assert diagnose(observation) == ()
    assert status(observation).as_json()["galera"]["size"] == 3


def test_brokers_that_are_apart() -> None:
    running = {"c1": ["rabbit@c1", "rabbit@c2"], "c2": ["rabbit@c1", "rabbit@c2"], "c3": ["rabbit@c3"]}
    looks = [
        look(name, findings=(Finding("rabbitmq", name, Judgement(Health.OK), {"running": members}),))
        for name, members in running.items()
    ]
    observation = replace(seen(*looks), modes={"rabbitmq": Mode.SELF})
    words = {problem.where: problem.what for problem in diagnose(observation)}
    assert words == {
        "c1, c2": "its message broker is not in a cluster with c3",
        "c3": "its message broker is not in a cluster with c1, c2",
    }


def balanced(server_state: str, keystone_on_c3: Health) -> Observation:
    """What c1's balancer sees of keystone on c3, and what keystone there says of itself."""
    state = {"servers": {"keystone": {"c1": "UP", "c3": server_state}}}
    balancer = Finding("haproxy", "c1", Judgement(Health.DEGRADED, "down: keystone on c3"), state)
    own = Finding("keystone", "c3", Judgement(keystone_on_c3, "timed out"))
    observation = seen(look("c1", findings=(balancer,)), look("c3", findings=(own,)))
    return replace(observation, modes={"haproxy": Mode.ACTIVE_ACTIVE, "keystone": Mode.ACTIVE_ACTIVE})


def test_a_server_that_says_itself_that_it_is_unfit_is_not_reported_by_every_balancer_too() -> None:
    assert [one.what for one in diagnose(balanced("DOWN", Health.FAILED))] == ["keystone: timed out"]


def test_a_server_that_only_the_balancer_finds_unfit_is_reported() -> None:
    assert [one.what for one in diagnose(balanced("DOWN", Health.OK))] == ["haproxy: down: keystone on c3"]


def test_a_node_that_has_just_started_is_one_problem() -> None:
    broken = tuple(
        Finding(name, "c1", Judgement(Health.FAILED, "refused")) for name in ("keystone", "galera")
    )
    problems = diagnose(seen(look("c1", findings=broken, uptime_s=12.0)))
    assert [one.what for one in problems] == ["it started 12 s ago; not ready yet: keystone, galera"]


def test_a_service_that_is_down_everywhere_is_critical_even_while_the_nodes_start() -> None:
    down = [
        look(name, findings=(Finding("keystone", name, Judgement(Health.FAILED, "503")),), uptime_s=12.0)
        for name in NAMES
    ]
    assert the(diagnose(seen(*down)), "keystone: 503").severity is Severity.CRITICAL
