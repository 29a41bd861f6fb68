"""A planned move on nodes in memory: what is refused, what is done, and that nothing is left behind."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import GOOD

from quorate.errors import ApplyError, PreconditionError, UsageError
from quorate.home import Home
from quorate.operations.move import Way, carry_out, groups, way
from quorate.operations.observation import Finding, NodeLook, Observation
from quorate.pacemaker.state import ClusterState, Failure, NodeState, ResourceState
from quorate.services.base import Health, Judgement
from quorate.services.registry import Platform, platform
from quorate.spec.model import Cluster, Mode
from quorate.transport.base import Command, Completed
from quorate.transport.fake import FakeNode

NODES = ("c1", "c2", "c3")
WEB: dict[str, Any] = {
    "unit": "apache2", "nodes": ["c1", "c2"], "vip": "10.77.1.120", "port": 80, "health": {"http": "/"},
}  # fmt: skip
MEMBERS = ("web-gate", "vip-web", "web-unit", "web-open")
GOOD_HEALTH = Judgement(Health.OK, "fine")


def made(folder: Path, **changes: Any) -> Platform:
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True)
    data = {**copy.deepcopy(GOOD), "services": {"web": {**WEB, **changes}}}
    return platform(Cluster.model_validate(data), home)


@pytest.fixture
def its(tmp_path: Path) -> Platform:
    """A cluster with one service that moves."""
    return made(tmp_path)


def view(holder: str = "c1", **changes: Any) -> ClusterState:
    resources = tuple(
        ResourceState(name, "web", "ocf:x:y", "Started" if holder else "Stopped", (holder,) if holder else ())
        for name in MEMBERS
    )
    state = ClusterState("c1", True, False, tuple(NodeState(name, True) for name in NODES), resources)
    return replace(state, **changes)


def node_look(name: str, state: ClusterState, **judgements: Judgement) -> NodeLook:
    said = {"fencing": GOOD_HEALTH, **({"web": GOOD_HEALTH} if name != "c3" else {}), **judgements}
    findings = tuple(Finding(service, name, judgement) for service, judgement in said.items())
    return NodeLook(name, True, view=state, findings=findings)


def seen(its: Platform, state: ClusterState | None = None, *looks: NodeLook) -> Observation:
    state = state or view()
    found = {name: node_look(name, state) for name in NODES} | {one.node: one for one in looks}
    return Observation(its.ctx.cluster, {"web": Mode.ACTIVE_PASSIVE}, {}, {}, found)


def test_the_other_node_is_chosen_and_the_one_that_has_it_needs_nothing(its: Platform) -> None:
    assert way(its, seen(its), "web") == Way("web", "c1", "c2", 135.0)
    assert way(its, seen(its, view("c2")), "web").target == "c1"
    there = way(its, seen(its), "web", "c1")
    assert there.source == there.target == "c1"


@pytest.mark.parametrize(
    ("service", "node", "words"),
    [
        ("wbe", "", "no service 'wbe'"),
        ("haproxy", "", "is active/active"),
        ("web", "c3", "never runs on c3"),
        ("web", "c9", "unknown node, c9"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(its: Platform, service: str, node: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        way(its, seen(its), service, node)
    assert words in str(caught.value) and caught.value.next_step


BROKEN = Judgement(Health.FAILED, "answers 500", "look there")
FAILED = (Failure("web-unit", "c2", "start", "it did not"),)


@pytest.mark.parametrize(
    ("state", "look", "words"),
    [
        (view(quorate=False), None, "no quorum"),
        (view(maintenance=True), None, "in maintenance"),
        (view(""), None, "does not run"),
        (view(nodes=(NodeState("c1", True), NodeState("c2", False))), None, "c2 is not online"),
        (view(nodes=(NodeState("c1", True), NodeState("c2", True, unclean=True))), None, "is not online"),
        (view(nodes=(NodeState("c1", True), NodeState("c2", True, standby=True))), None, "in standby"),
        (view(failures=FAILED), None, "remembers a failed start of web-unit"),
        (view(), node_look("c1", view(), web=BROKEN), "web is not healthy there"),
        (view(), node_look("c1", view(), fencing=BROKEN), "could not be fenced"),
        (view(), node_look("c2", view(), fencing=BROKEN), "its BMC: answers 500"),
        (view(), node_look("c2", view(), web=BROKEN), "c2 is not ready"),
        (view(), NodeLook("c2", False, why="no route"), "c2 does not answer (no route)"),
    ],
)
def test_it_is_not_moved_into_trouble(
    its: Platform, state: ClusterState, look: NodeLook | None, words: str
) -> None:
    for target in ("", "c2"):
        with pytest.raises(PreconditionError) as caught:
            way(its, seen(its, state, *([look] if look else [])), "web", target)
        assert words in str(caught.value)


def test_a_part_of_it_elsewhere_is_no_place_to_move_from(its: Platform) -> None:
    parts = tuple(replace(one, nodes=("c2",)) if one.id == "web-open" else one for one in view().resources)
    with pytest.raises(PreconditionError, match="not all of it"):
        way(its, seen(its, view(resources=parts)), "web")


def test_one_that_goes_back_by_itself_is_only_moved_back(tmp_path: Path) -> None:
    its = made(tmp_path, prefer="c1", failback=True)
    with pytest.raises(PreconditionError, match="go back to c1 at once"):
        way(its, seen(its), "web", "c2")
    assert way(its, seen(its, view("c2")), "web").target == "c1"


XML = (
    '<pacemaker-result><summary><current_dc present="true" name="c1" with_quorum="true"/></summary>'
    '<nodes><node name="c1" online="true"/></nodes>'
    '<resources><group id="web">{members}</group></resources></pacemaker-result>'
)


class Nodes:
    """Three nodes whose cluster does what it is told at once, unless ``stuck``."""

    def __init__(self, *, stuck: bool = False, deaf: tuple[str, ...] = ()) -> None:
        self.stuck, self.deaf, self.said = stuck, deaf, []  # type: ignore[var-annotated]
        self.nodes = {name: FakeNode(name, answers=self._answer(name)) for name in NODES}
        self.put("c1")

    def put(self, holder: str) -> None:
        member = '<resource id="{}" role="Started"><node name="{}"/></resource>'
        xml = XML.format(members="".join(member.format(name, holder) for name in MEMBERS))
        here = {"known": True, "active": True, "vip": True, "mounted": None, "device": None, "works": True}
        for node in self.nodes.values():
            node.states["crm_mon:"] = {"xml": xml}
            mine = {**here, "sub": "", "said": "answers 200", "ms": 1, "active": holder == node.node}
            node.states["own:"] = {**mine, "vip": holder == node.node}

    def _answer(self, name: str) -> Any:
        def answer(command: Command) -> Completed:
            self.said.append((name, command.argv[3:]))
            if name in self.deaf and "--clear" in command.argv:
                return Completed(1, b"", b"no")
            if "--move" in command.argv and not self.stuck:
                self.put(command.argv[command.argv.index("--node") + 1])
            return Completed(0, b"", b"")

        return answer

    def connect(self, name: str) -> FakeNode:
        return self.nodes[name]


PATH = Way("web", "c1", "c2", 0.5)


async def test_it_arrives_and_the_constraint_is_gone(its: Platform) -> None:
    nodes = Nodes()
    done = await carry_out(its, PATH, nodes.connect)
    assert (done.source, done.target) == ("c1", "c2") and done.as_json()["moved"] is True
    assert [words[0] for _, words in nodes.said] == ["--clear", "--move", "--clear"]
    order = nodes.said[1][1]
    assert order[order.index("--node") + 1] == "c2" and "--lifetime" in order, (
        "ends even if nobody removes it"
    )


async def test_where_it_does_not_arrive_that_is_said_and_the_constraint_is_gone_too(its: Platform) -> None:
    nodes = Nodes(stuck=True)
    with pytest.raises(ApplyError, match="does not work on c2"):
        await carry_out(its, PATH, nodes.connect)
    assert nodes.said[-1][1] == ("--clear",)


async def test_another_node_removes_the_constraint_where_the_target_cannot(its: Platform) -> None:
    nodes = Nodes(deaf=("c2",))
    await carry_out(its, PATH, nodes.connect)
    assert nodes.said[-1] == ("c1", ("--clear",))
    with pytest.raises(ApplyError, match="still there"):
        await carry_out(its, PATH, Nodes(deaf=NODES).connect)


def test_what_can_be_moved(its: Platform) -> None:
    assert list(groups(its)) == ["web"]
