"""The CIB builder, and the node half that compares and replaces it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from quorate.node import cib as node_cib
from quorate.node import released, tools
from quorate.pacemaker import cib
from quorate.pacemaker.model import (
    Clone,
    Colocation,
    Fragment,
    Group,
    Location,
    Operation,
    Order,
    Primitive,
)

WEB = Clone(
    Primitive("web", "ocf:quorate:unit", {"unit": "web.service"}, {}, (Operation("monitor", 15, 20),)),
    {"interleave": "true"},
)
VIP = Primitive("vip", "ocf:heartbeat:IPaddr2", {"ip": "10.0.0.1"}, {"requires": "quorum"})
FENCE = Primitive("fence-c1", "stonith:fence_ipmilan", {"ip": "10.0.2.11"})
PARTS = (
    Fragment((WEB,)),
    Fragment((VIP, FENCE), (Colocation("vip", "web-clone"), Order("web-clone", "vip", "Optional"))),
    Fragment((), (Location("fence-c1", "c1", "-INFINITY"),)),
)
PROPERTIES = {"stonith-enabled": "true", "no-quorum-policy": "stop"}


def live(document: str, **properties: str) -> ET.Element:
    """``document`` as a running cluster would have it: with the options and nodes that Pacemaker adds."""
    root = ET.fromstring(document)
    added = {"dc-version": "3.0.0", "cluster-infrastructure": "corosync", **properties}
    options = root.find("configuration/crm_config/cluster_property_set")
    nodes = root.find("configuration/nodes")
    assert options is not None
    assert nodes is not None
    for name, value in added.items():
        ET.SubElement(options, "nvpair", {"id": f"x-{name}", "name": name, "value": value})
    ET.SubElement(nodes, "node", {"id": "11", "uname": "c1"})
    return root


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a CIB where the node half asks for it; returns the list of commands that it ran."""

    def put(root: ET.Element) -> list[list[str]]:
        ran: list[list[str]] = []
        state = {"cib": ET.tostring(root, encoding="unicode")}

        def run(argv: list[str], **_: Any) -> tools.Done:
            ran.append(argv)
            if argv[:2] == ["cibadmin", "--replace"]:
                whole = ET.fromstring(state["cib"])
                old = whole.find("configuration")
                assert old is not None
                whole[list(whole).index(old)] = ET.parse(argv[-1]).getroot()
                state["cib"] = ET.tostring(whole, encoding="unicode")
            return tools.Done(0, state["cib"] if argv == ["cibadmin", "--query"] else "", "")

        monkeypatch.setattr(tools, "run", run)
        return ran

    return put


def test_the_document_is_the_same_every_time_and_says_which_schema() -> None:
    document = cib.document(PARTS, PROPERTIES)
    assert document == cib.document(PARTS, dict(reversed(PROPERTIES.items())))
    assert ET.fromstring(document).get("validate-with") == "pacemaker-4.0"


def test_agents_are_split_into_class_provider_and_type() -> None:
    root = ET.fromstring(cib.document(PARTS))
    found = {
        one.get("id"): (one.get("class"), one.get("provider"), one.get("type"))
        for one in root.iter("primitive")
    }
    assert found == {
        "web": ("ocf", "quorate", "unit"),
        "vip": ("ocf", "heartbeat", "IPaddr2"),
        "fence-c1": ("stonith", None, "fence_ipmilan"),
    }


def test_times_are_written_with_their_unit() -> None:
    assert [cib.seconds(value) for value in (0, 20, 0.4)] == ["0s", "20s", "400ms"]


def test_a_group_keeps_the_order_of_its_members() -> None:
    group = Group(
        "web", (Primitive("fs", "ocf:heartbeat:Filesystem"), Primitive("ip", "ocf:heartbeat:IPaddr2"))
    )
    root = ET.fromstring(cib.document((Fragment((group,)),)))
    assert [one.get("id") for one in root.iterfind("configuration/resources/group/primitive")] == ["fs", "ip"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Fragment((VIP,)), Fragment((VIP,))), "used more than once.*vip"),
        ((Fragment((VIP,), (Colocation("vip", "nobody-clone"),)),), "no resource 'nobody-clone'"),
    ],
)
def test_what_cannot_be_is_refused(parts: tuple[Fragment, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cib.document(parts)


def test_what_pacemaker_adds_by_itself_is_no_difference(cluster: Any) -> None:
    document = cib.document(PARTS, PROPERTIES)
    cluster(live(document, **{"maintenance-mode": "true"}))
    assert node_cib.look({"document": document}) == {"differences": []}


def test_order_and_ids_are_no_difference(cluster: Any) -> None:
    document = cib.document(PARTS, PROPERTIES)
    other = cib.document(tuple(reversed(PARTS)), PROPERTIES).replace("web-monitor-15s", "another-id")
    cluster(live(other))
    assert node_cib.look({"document": document}) == {"differences": []}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('value="10.0.0.1"', 'value="10.0.0.2"', "resource vip parameter ip: 10.0.0.2 → 10.0.0.1"),
        ('name="stonith-enabled" value="true"', 'name="stonith-enabled" value="false"',
         "property stonith-enabled: false → true"),
        ('score="-INFINITY"', 'score="0"',
         "rsc_location node=c1 rsc=fence-c1 score=-INFINITY: absent → present"),
        ('timeout="20s"', 'timeout="9s"', "resource web operation monitor 15s: timeout=9s → timeout=20s"),
    ],
)  # fmt: skip
def test_what_differs_is_named(cluster: Any, old: str, new: str, said: str) -> None:
    document = cib.document(PARTS, PROPERTIES)
    assert old in document
    cluster(live(document.replace(old, new)))
    assert said in node_cib.look({"document": document})["differences"]


def test_what_is_new_and_held_starts_only_when_it_is_let_go(cluster: Any) -> None:
    document, held = cib.document(PARTS, PROPERTIES), ["web-clone"]
    cluster(live(cib.document((Fragment((VIP,)),), PROPERTIES)))
    assert released.look({"clones": held}) == {"held": held}
    wanted = {"document": document, "held": held, "settle_s": 10}
    node_cib.fix(wanted, {}, [])
    assert node_cib.look(wanted) == {"differences": []}
    assert 'name="target-role" value="Stopped"' in tools.run(["cibadmin", "--query"]).out
    node_cib.fix(wanted, {}, [])
    assert released.look({"clones": held}) == {"held": held}, "an apply that died in between holds it on"
    released.fix({"clones": held, "settle_s": 10}, {}, [])
    assert released.look({"clones": held}) == {"held": []}
    node_cib.fix(wanted, {}, [])
    assert released.look({"clones": held}) == {"held": []}, "what runs is never stopped again"
    assert node_cib.look({"document": document}) == {"differences": []}


def test_replacing_keeps_nodes_operations_and_what_pacemaker_added(cluster: Any) -> None:
    old = live(
        cib.document((Fragment((VIP,)),), {"stonith-enabled": "false"}), **{"maintenance-mode": "true"}
    )
    constraints = old.find("configuration/constraints")
    assert constraints is not None
    banned = {"id": "cli-ban-vip-on-c1", "rsc": "vip", "node": "c1", "score": "-INFINITY"}
    ET.SubElement(constraints, "rsc_location", banned)
    ran = cluster(old)
    document = cib.document(PARTS, PROPERTIES)
    node_cib.fix({"document": document, "settle_s": 10}, {"differences": []}, ["differences"])
    programs = [argv[0] for argv in ran]
    assert programs.index("crm_verify") < programs.index("cibadmin", 1)
    assert programs[-1] == "crm_resource"
    assert node_cib.look({"document": document}) == {"differences": []}
    now = ET.fromstring(tools.run(["cibadmin", "--query"]).out)
    assert now.find("configuration/nodes/node[@uname='c1']") is not None
    assert now.find("configuration/constraints/*[@id='cli-ban-vip-on-c1']") is not None
    options = {
        pair.get("name"): pair.get("value") for pair in now.iterfind("configuration/crm_config//nvpair")
    }
    assert options["dc-version"] == "3.0.0"
    assert options["maintenance-mode"] == "true"
    assert options["stonith-enabled"] == "true"


def test_a_document_that_the_checker_refuses_is_never_put_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> tools.Done:
        ran.append(argv)
        if argv[0] == "crm_verify":
            return tools.Done(78, "", "error: Resource start-up disabled since no STONITH resources")
        return tools.Done(0, cib.document(), "")

    monkeypatch.setattr(tools, "run", run)
    with pytest.raises(tools.Failed, match="checker refused") as caught:
        node_cib.fix({"document": cib.document(PARTS), "settle_s": 1}, {}, ["differences"])
    assert "no STONITH" in caught.value.evidence
    assert not any("--replace" in argv for argv in ran)
