"""Computes: nodes without a vote. What Pacemaker is told of them, and what status says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from guest_things import SPEC, guests
from service_things import on, plane, text

from quorate.node import cib as node_cib
from quorate.operations.diagnosis import diagnose
from quorate.operations.observation import NodeLook, Observation
from quorate.operations.survey import homes
from quorate.pacemaker import cib, state
from quorate.pacemaker.model import CUT_OFF, Clone, Fragment, Group, Primitive
from quorate.pacemaker.state import ClusterState, NodeState, ResourceState
from quorate.resources.base import Stage
from quorate.services import pacemaker, registry
from quorate.services.base import Health
from quorate.services.remote import WATCH, WATCHER, RemoteOptions, judge
from quorate.spec.model import Cluster

CLUSTER = Cluster.model_validate(SPEC)


@pytest.fixture
def document(tmp_path: Path) -> ET.Element:
    return ET.fromstring(pacemaker.document(guests(tmp_path).ctx))


def parameters(document: ET.Element, name: str) -> dict[str, str]:
    pairs = document.iterfind(f"configuration/resources/primitive[@id='{name}']/instance_attributes/nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def test_each_compute_is_a_connection_of_its_name(document: ET.Element) -> None:
    assert parameters(document, "n1") == {
        "server": "10.77.0.21",
        "port": "3121",
        "reconnect_interval": "10s",
    }
    primitive = document.find("configuration/resources/primitive[@id='n2']")
    assert primitive is not None and primitive.get("type") == "remote"


def test_connections_start_on_different_controllers(document: ET.Element) -> None:
    found = {
        one.get("rsc"): one.get("node")
        for one in document.iterfind("configuration/constraints/rsc_location[@score='10']")
        if one.get("rsc") in ("n1", "n2")
    }
    assert found == {"n1": "c1", "n2": "c2"}


def test_a_controller_that_is_cut_off_hands_its_connections_on(document: ET.Element) -> None:
    for name in ("n1", "n2"):
        rule = document.find(f".//rsc_location[@id='location-{name}-{CUT_OFF}']/rule[@score='-INFINITY']")
        assert rule is not None and [test.get("value") for test in rule] == ["1"]


def test_computes_can_be_fenced_and_fence_nobody(document: ET.Element) -> None:
    assert parameters(document, "fence-n1")["pcmk_host_list"] == "n1"
    nodes = {one.get("node") for one in document.iterfind("configuration/constraints/rsc_location")}
    assert not nodes & {"n1", "n2"}, "one rule keeps everything off the computes, not one for each"


def test_every_bmc_is_tested_by_controllers_only(tmp_path: Path) -> None:
    tests = [placed for placed in guests(tmp_path).desired() if placed.stage is Stage.FENCING]
    assert {(one.node, one.resource.args["node"]) for one in tests} == {
        (node, target)
        for node in ("c1", "c2", "c3")
        for target in ("c1", "c2", "c3", "n1", "n2")
        if node != target
    }


def test_nothing_is_looked_for_where_its_programs_are_not(document: ET.Element) -> None:
    found = document.iterfind("configuration/constraints/rsc_location")
    (rule,) = [one for one in found if one.get("resource-discovery")]
    assert rule.get("rsc-pattern") == ".*"
    assert rule.get("resource-discovery") == "never"
    expression = rule.find("rule/expression")
    assert expression is not None
    assert (expression.get("attribute"), expression.get("value")) == ("#kind", "remote")


def test_what_names_its_nodes_is_no_exception_by_accident() -> None:
    agent = Clone(Primitive("agent", "ocf:quorate:unit"), nodes=("n1", "n2"))
    parts = (Fragment((Primitive("n1", cib.REMOTE), agent, Clone(Primitive("web", "ocf:quorate:unit")))),)
    root = ET.fromstring(cib.document(parts))
    own, members = root.findall("configuration/constraints/rsc_location")
    assert own.get("rsc") == "agent-clone"
    assert [one.get("value") for one in own.iterfind("rule/expression")] == ["n1", "n2"]
    assert members.get("rsc-pattern") == "!^(agent-clone)$"


def test_without_computes_there_is_no_rule() -> None:
    root = ET.fromstring(cib.document((Fragment((Clone(Primitive("web", "ocf:quorate:unit")),)),)))
    assert not root.findall("configuration/constraints/rsc_location")


def test_a_rule_that_says_something_else_is_a_difference() -> None:
    parts = (Fragment((Primitive("n1", cib.REMOTE),)),)
    wanted = cib.document(parts)
    other = wanted.replace('value="remote"', 'value="cluster"')
    meanings = [node_cib._meaning(node_cib.configuration(ET.fromstring(text))) for text in (wanted, other)]
    assert meanings[0] != meanings[1]


def test_packages_that_exclude_each_other_are_never_together() -> None:
    for node in CLUSTER.nodes:
        packages = set(registry.packages_of(CLUSTER, node))
        assert not {"pacemaker", "pacemaker-remote"} <= packages
        assert ("pacemaker-remote" in packages) == (node in ("n1", "n2"))
        assert ("corosync" in packages) == (node in ("c1", "c2", "c3"))
        assert "curl" in packages


def test_both_ends_have_the_key_and_no_plan_shows_it(tmp_path: Path) -> None:
    its = guests(tmp_path)
    keys = [on(its, node)["file:/etc/pacemaker/authkey"] for node in its.ctx.cluster.nodes]
    assert len({str(key.desired["sha256"]) for key in keys}) == 1
    assert all(key.secret and key.desired["mode"] == "0640" for key in keys)
    assert "PCMK_remote_address=10.77.0.21\n" in text(its, "n1", "/etc/default/pacemaker")
    assert "unit:pacemaker.service" not in on(its, "n1")


def test_each_controller_watches_all_computes(tmp_path: Path) -> None:
    its = guests(tmp_path)
    said = text(its, "c1", f"/etc/systemd/system/{WATCHER}")
    assert f"{WATCH} 8 10.77.0.12 10.77.0.13 n1=10.77.0.21 n2=10.77.0.22\n" in said
    assert f"unit:{WATCHER}" in on(its, "c3") and f"unit:{WATCHER}" not in on(its, "n1")
    assert "fping" in registry.packages_of(CLUSTER, "c1")


def test_a_cluster_without_computes_has_none_of_it(tmp_path: Path) -> None:
    its = plane(tmp_path)
    assert f"unit:{WATCHER}" not in on(its, "c1")
    assert "file:/etc/pacemaker/authkey" not in on(its, "c1")
    assert "remote" in its.services and not list(its.services["remote"].health(its.ctx))


def test_times_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError):
        RemoteOptions(monitor_timeout_s=1)


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        ({"online": True, "quorate": True, "decider": "c1"}, Health.OK),
        ({"online": True, "quorate": False, "decider": ""}, Health.DEGRADED),
        ({"online": False, "quorate": True, "decider": "c1"}, Health.FAILED),
    ],
)
def test_its_own_view(seen: dict[str, Any], health: Health) -> None:
    assert judge(seen).health is health


XML = """<pacemaker-result api-version="2.38" request="crm_mon"><summary>
<current_dc present="true" name="c1" with_quorum="true"/></summary><nodes>
<node name="c1" id="11" online="true" unclean="false" is_dc="true" type="member"/>
<node name="n1" id="n1" online="false" unclean="true" is_dc="false" type="remote"/>
</nodes></pacemaker-result>"""


def test_crm_mon_tells_which_nodes_are_remote() -> None:
    nodes = state.parse(XML).nodes
    assert [(node.name, node.remote, node.online) for node in nodes] == [
        ("c1", False, True),
        ("n1", True, False),
    ]


def view(**online: bool) -> ClusterState:
    nodes = [NodeState(name, online.get(name, True), remote=name[0] == "n") for name in CLUSTER.nodes]
    resources = [
        ResourceState(f"fence-{name}", "", "stonith:x", "Started", ("c1",)) for name in CLUSTER.nodes
    ]
    clone = [
        ResourceState("haproxy", "haproxy-clone", "ocf:quorate:unit", "Started", (node,))
        for node in CLUSTER.controllers
    ]
    group = [ResourceState("web-unit", "web", "ocf:quorate:unit", "Started", ("c1",))]
    return ClusterState("c1", True, False, tuple(nodes), (*resources, *clone, *group))


def observed(seen: ClusterState, homes: dict[str, tuple[str, ...]], **looks: NodeLook) -> Observation:
    found = {name: NodeLook(name, True, view=seen) for name in CLUSTER.nodes} | looks
    return Observation(CLUSTER, {}, {}, {}, found, homes)


HOMES = {"haproxy-clone": CLUSTER.controllers, "web": ()}


def test_all_well_is_no_problem() -> None:
    assert diagnose(observed(view(), HOMES)) == ()


def test_a_clone_of_the_computes_is_missed_there_and_not_elsewhere() -> None:
    homes = {**HOMES, "agent-clone": ("n1", "n2")}
    seen = view()
    agent = ResourceState("agent", "agent-clone", "ocf:quorate:unit", "Started", ("n1",))
    found = diagnose(observed(replace(seen, resources=(*seen.resources, agent)), homes))
    assert [(one.where, one.what) for one in found] == [("n2", "agent-clone does not run on it")]


def test_a_compute_without_a_connection_is_said_in_its_own_words() -> None:
    seen = view(n1=False)
    look = NodeLook("n1", True, why_no_view="crm_mon: Connection refused")
    (problem,) = diagnose(observed(seen, HOMES, n1=look))
    assert problem.where == "n1"
    assert "no controller is connected" in problem.what and "pacemaker_remote" in problem.next_step


def test_only_controllers_vote() -> None:
    seen = replace(view(c2=False, c3=False), quorate=False)
    lost = {name: NodeLook(name, False, why="no route") for name in ("c2", "c3")}
    problem = next(one for one in diagnose(observed(seen, HOMES, **lost)) if "majority" in one.what)
    assert "2 of 3 controllers" in problem.what
    assert problem.next_step == "bring back: c2, c3"


def test_where_each_clone_belongs_comes_from_the_services(tmp_path: Path) -> None:
    its = guests(tmp_path)
    own = Fragment((Clone(Primitive("agent", "a:b"), nodes=("n1",)), Group("web", (Primitive("x", "a:b"),))))
    whole = replace(its, ctx=replace(its.ctx, fragments=(*its.ctx.fragments, own)))
    assert homes(whole) == {"haproxy-clone": ("c1", "c2", "c3"), "agent-clone": ("n1",), "web": ()}
