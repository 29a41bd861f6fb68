"""The whole platform is asked through fake nodes: one trip each, and one more for the power of the silent."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from service_things import NODES, VIPS, plane

from quorate.errors import UnreachableError
from quorate.operations.observation import Power
from quorate.operations.status import status
from quorate.operations.survey import survey
from quorate.services.registry import Platform
from quorate.transport.base import Command, Completed


def crm_mon(offline: str) -> str:
    nodes = "".join(
        f'<node name="{n}" online="{str(n != offline).lower()}" is_dc="{str(n == "c1").lower()}"/>'
        for n in NODES
    )
    devices = "".join(
        f'<resource id="fence-{n}" resource_agent="stonith:fence_ipmilan" role="Started" managed="true">'
        '<node name="c1"/></resource>'
        for n in NODES
    )
    return (
        '<pacemaker-result><summary><current_dc present="true" name="c1" with_quorum="true"/></summary>'
        f"<nodes>{nodes}</nodes><resources>{devices}</resources></pacemaker-result>"
    )


class Node:
    """Answers as a healthy node would, or not at all."""

    def __init__(self, node: str, offline: str) -> None:
        self.node, self.offline = node, offline
        self.asked: list[list[dict[str, Any]]] = []

    async def run(self, command: Command) -> Completed:
        if self.node == self.offline:
            raise UnreachableError("no answer within 2.5 s")
        _, _, payload = command.stdin.partition(b"\n")
        items = json.loads(zlib.decompress(payload))["request"]["items"]
        self.asked.append(items)
        lines = [json.dumps({"id": item["id"], "state": self.answer(item)}) for item in items]
        return Completed(0, "\n".join([*lines, '{"end":true}']).encode(), b"")

    def answer(self, item: dict[str, Any]) -> dict[str, Any]:
        held = {"c1": ["galera", "keystone"], "c2": ["horizon"]}.get(self.node, [])
        gone = [name for name in NODES if name != self.offline]
        known: dict[str, dict[str, Any]] = {
            "host": {"addresses": [VIPS[name] for name in held], "uptime_s": 5000},
            "crm_mon": {"xml": crm_mon(self.offline)},
            "fence": {"answers": True, "power": "off"},
            "galera": {
                "component": "Primary",
                "comment": "Synced",
                "ready": True,
                "committed": True,
                "size": len(gone),
            },
            "rabbitmq": {"running": [f"rabbit@{name}" for name in gone]},
            "corosync": {"quorate": True, "members": gone, "links_down": [], "loaded": True},
            "haproxy": {"servers": {}, "why": {}, "sessions": {"galera": {"c1": 3, "c2": 0}}},
        }
        return known.get(item["kind"], {})

    async def close(self) -> None: ...


def nodes(offline: str = "") -> dict[str, Node]:
    return {name: Node(name, offline) for name in NODES}


def its(tmp_path: Path) -> Platform:
    return plane(tmp_path)


async def test_all_nodes_are_asked_once_and_the_same_question_only_once(tmp_path: Path) -> None:
    fakes = nodes()
    found = status(await survey(its(tmp_path), lambda name: fakes[name])).as_json()
    assert all(len(fake.asked) == 1 for fake in fakes.values())
    for fake in fakes.values():
        assert [item["kind"] for item in fake.asked[0]].count("crm_mon") == 1
    assert [node["online"] for node in found["nodes"]] == [True, True, True]
    assert {vip["name"]: vip["holder"] for vip in found["vips"]} == {
        "galera": "c1",
        "keystone": "c1",
        "horizon": "c2",
    }
    assert found["galera"] == {"size": 3, "expected": 3, "synced": list(NODES), "writer": "c1"}
    assert found["rabbitmq"]["members"] == list(NODES)


async def test_a_node_that_is_silent_is_asked_for_through_its_bmc_by_a_peer(tmp_path: Path) -> None:
    fakes = nodes(offline="c3")
    found = status(await survey(its(tmp_path), lambda name: fakes[name]))
    assert found.seen.looks["c3"].power is Power.OFF
    assert [len(fakes[name].asked) for name in NODES] == [2, 1, 0]
    assert [item["args"]["node"] for item in fakes["c1"].asked[1]] == ["c3"]
    off = [problem for problem in found.problems if problem.where == "c3"]
    assert [problem.what for problem in off] == ["it has no power"]
    assert "10.77.2.13" in off[0].next_step
    assert found.exit_code == 1


async def test_when_nobody_answers_it_is_unknown(tmp_path: Path) -> None:
    fakes = {name: Node(name, offline=name) for name in NODES}
    found = status(await survey(its(tmp_path), lambda name: fakes[name]))
    assert (found.exit_code, found.healthy, found.quorate) == (2, False, False)
