"""Drills of the cloud's services: what counts as good, what has to be there, who is behind whom."""

from __future__ import annotations

import asyncio
import re
import runpy
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from drill_histories import endpoint, record

from quorate.drill import budgets, guests, http
from quorate.drill.checks.guests import CHECK
from quorate.drill.contract import ALL, Attempt, Scene
from quorate.drill.drills import catalogue
from quorate.drill.guests import places, preferred
from quorate.drill.history import History
from quorate.drill.http import Refused
from quorate.drill.judge import ask
from quorate.drill.model import Phase, Verdict
from quorate.drill.workloads import image_write, network_write
from quorate.drill.workloads.guest import GuestConsole, GuestPage
from quorate.drill.workloads.image_write import ImageWrite, content
from quorate.drill.workloads.network_write import NetworkWrite, ports
from quorate.drill.workloads.neutron_read import NeutronRead
from quorate.transport.base import Completed

GROUPS = ("0a1b-2c", "0a1b-3d", "0a1b-4e", "0a1b-5f")


@dataclass
class Cloud:
    """Keystone, Neutron and Glance of a few lines; what Neutron was asked is in OVN as well, unless said."""

    groups: list[str] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    status: int = 200
    ovn_lacks: set[int] = field(default_factory=set)
    groups_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.groups_answer.set()

    async def answer(self, request: web.Request) -> web.Response:
        path, method = request.path, request.method
        body = await request.read()
        if method == "DELETE":
            self.gone.append(path)
            self.images.pop(path.rpartition("/")[2], None)
            return web.Response(status=204)
        if path == "/v2.0/networks":
            return web.json_response({"networks": []} if self.status == 200 else {}, status=abs(self.status))
        if path == "/v3/projects":
            return web.json_response({"project": {"id": "p9"}}, status=201)
        if path == "/v2.0/security-groups":
            if method == "GET":
                return web.json_response(
                    {"security_groups": [{"id": one} for one in (*self.groups, "default")]}
                )
            self.groups.append(GROUPS[len(self.groups)])
            made = self.groups[-1]
            await self.groups_answer.wait()
            return web.json_response({"security_group": {"id": made}}, status=201)
        if path == "/v2.0/security-group-rules" and method == "POST":
            self.rules.append((await request.json())["security_group_rule"])
            return web.json_response({}, status=201)
        if path == "/v2.0/security-group-rules":
            return web.json_response({"security_group_rules": [{"port_range_min": None}, *self.rules]})
        return self.image(method, path, body) if path.startswith("/v2/images") else web.json_response({})

    def image(self, method: str, path: str, body: bytes) -> web.Response:
        kept = self.images
        if method == "POST":
            name = re.search(rb'"name": "(\d+)"', body)
            assert name is not None
            kept[f"i{len(kept)}"] = {"name": name[1].decode(), "status": "queued", "content": b""}
            return web.json_response({"id": f"i{len(kept) - 1}"}, status=201)
        if path == "/v2/images":
            return web.json_response({"images": [{"id": key, **_shown(one)} for key, one in kept.items()]})
        one = kept[path.split("/")[3]]
        if method == "PUT":
            one.update(status="active", content=body)
            return web.Response(status=204)
        return web.Response(body=one["content"])

    async def run(self, node: str, argv: Sequence[str], **_: Any) -> Completed:
        held = [(rule["security_group_id"].replace("-", "_"), rule["port_range_min"]) for rule in self.rules]
        rows = [
            f'"outport == @pg_{group} && ip4 && tcp && tcp.dst == {port}"'
            for group, port in held
            if port - 1 not in self.ovn_lacks
        ]
        others = [
            '"outport == @pg_0a1b_2cc && ip4 && tcp && tcp.dst == 77"',
            '"inport == @pg_0a1b_2c && ip4"',
        ]
        return Completed(0, "\n".join([*rows, *others]).encode(), b"")


def _shown(image: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in image.items() if key != "content"}


@pytest.fixture
async def cloud(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Cloud, Scene]]:
    there = Cloud()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", "/{rest:.*}", there.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def login(_: Scene) -> tuple[str, str]:
        return "t1", "p1"

    from quorate.drill import api_read

    for module in (api_read, network_write, image_write):
        monkeypatch.setattr(module, "login", login)
        monkeypatch.setattr(module, "base_url", lambda *_: base)
    monkeypatch.setattr(http.ssl, "create_default_context", lambda **_: None)
    monkeypatch.setattr(network_write, "COMPLETE_S", 0.1)
    monkeypatch.setattr(network_write, "AGAIN_S", 0.01)
    monkeypatch.setattr(network_write, "RULES", 2)
    yield there, scene(nodes=there)
    await runner.cleanup()


def scene(*, victim: str = "c1", nodes: Any = None, **more: Any) -> Scene:
    cluster: Any = SimpleNamespace(
        controllers=("c1", "c2", "c3"),
        computes=("n1", "n2"),
        chassis=("c1", "c2", "c3", "n1", "n2"),
        services={"neutron": SimpleNamespace(options={"external": {}})},
    )
    nothing: Any = None
    services = frozenset({"keystone", "glance", "neutron", "nova", "nova-compute"})
    return Scene("r", cluster, nothing, "", {}, {}, nodes, nothing, victim=victim, services=services, **more)


async def test_a_read_is_good_with_the_list_only(cloud: tuple[Cloud, Scene]) -> None:
    there, here = cloud
    workload = NeutronRead(here)
    await workload.open()
    await workload.request(Attempt(0, Phase.FAULT))
    for status, said in ((-200, "not a list of networks"), (503, "HTTP 503")):
        there.status = status
        with pytest.raises(Refused, match=said):
            await workload.request(Attempt(1, Phase.FAULT))
    await workload.close()


async def test_rules_are_looked_for_in_every_copy_of_ovns_database(cloud: tuple[Cloud, Scene]) -> None:
    there, here = cloud
    workload = NetworkWrite(here)
    await workload.open()
    for number in range(3):
        await workload.request(Attempt(number, Phase.FAULT))
    assert {rule["project_id"] for rule in there.rules} == {"p9"}, "nobody else's quota is used"
    found = await workload.read_back()
    assert [each.source for each in found] == ["Neutron", "OVN on c1", "OVN on c2", "OVN on c3"]
    assert {each.keys for each in found} == {(0, 1, 2)}
    there.ovn_lacks = {1}
    assert [each.keys for each in await workload.read_back()] == [(0, 1, 2), *[(0, 2)] * 3]
    await workload.forget()
    assert there.gone == [
        *(f"/v2.0/security-groups/{group}" for group in GROUPS[:2]),
        "/v2.0/security-groups/default",
        "/v2.0/quotas/p9",
        "/v3/projects/p9",
    ]
    await workload.close()


async def test_groups_are_made_one_at_a_time_beside_the_writes(cloud: tuple[Cloud, Scene]) -> None:
    there, here = cloud
    workload = NetworkWrite(here)
    await workload.open()
    there.groups_answer.clear()
    for number in range(6):
        await workload.request(Attempt(number, Phase.FAULT))
    assert {rule["security_group_id"] for rule in there.rules} == {GROUPS[0]}, "no write waits for a group"
    assert len(there.groups) <= 2, "nor asks for another one meanwhile"
    there.groups_answer.set()
    async with asyncio.timeout(10):
        while there.rules[-1]["security_group_id"] == GROUPS[0]:
            await workload.request(Attempt(len(there.rules), Phase.FAULT))
    assert there.rules[-1]["security_group_id"] == GROUPS[1]
    await workload.forget()
    await workload.close()


def test_the_ports_of_these_groups_only() -> None:
    text = "".join(
        f'"outport == @pg_{group} && ip4 && tcp.dst == {port}"\n'
        for group, port in (("a_b", 8), ("a_bc", 9), ("d", 3))
    )
    assert ports(text, ["a-b", "d"]) == (2, 7)


async def test_images_have_to_come_back_whole(cloud: tuple[Cloud, Scene]) -> None:
    there, here = cloud
    workload = ImageWrite(here)
    await workload.open()
    for number in range(3):
        await workload.request(Attempt(number, Phase.FAULT))
    assert {each.keys for each in await workload.read_back()} == {(0, 1, 2)}
    there.images["i1"]["content"] = content(1)[:100]
    there.images["i2"]["status"] = "queued"
    done, whole = await workload.read_back()
    assert (done.keys, whole.keys) == ((0, 1), (0,)), "one that looks done and is not is found"
    await workload.forget()
    assert there.images == {}
    await workload.close()


def test_who_is_behind_whom() -> None:
    assert places(scene(victim="c2")) == {"guest": ("n1", False), "guest-gateway": ("n2", True)}
    lost = {"guest": ("n2", False), "guest-gateway": ("n2", True), "guest-host": ("n1", False)}
    assert places(scene(victim="n1")) == lost
    assert places(scene(victim=ALL)) == {"guest": ("n1", False)}


def test_servers_are_made_where_there_is_an_image_and_a_way_in() -> None:
    assert GuestPage.make(scene()) == ()
    names = [each.name for each in GuestPage.make(scene(image="/guest.raw"))]
    assert names == ["guest", "guest-gateway", "guest-console"]
    closed = scene(image="/guest.raw")
    closed.cluster.services["neutron"].options.clear()
    assert GuestPage.make(closed) == ()
    assert not guests.possible(replace(scene(image="/x"), services=frozenset({"nova"})))


def test_what_guests_may_cost() -> None:
    guest, gateway, console = GuestPage.make(scene(image="/guest.raw"))
    assert isinstance(console, GuestConsole)
    assert guest.budget("power-off", "") == budgets.BYSTANDER_S
    assert gateway.budget("isolate-management", "") == 5.0
    assert gateway.budget("hang", "ovn") == 5.0 and gateway.budget("hang", "glance") == budgets.BYSTANDER_S
    assert console.budget("freeze", "") == 5.0 and guest.budget("bmc-lying", "") is None
    lost = GuestPage.make(scene(victim="n1", image="/guest.raw"))
    assert [each.name for each in lost if not each.judged] == ["guest-host"]


def test_the_gateway_with_the_highest_priority() -> None:
    text = "lrp-p-1_c3     1\nlrp-p-1_n2     5\nlrp-p-1_c1     4\n"
    assert preferred(text, "p-1") == "n2"
    assert preferred("", "p-1") == ""


def test_whose_logs_are_read() -> None:
    assert scene(victim="c1").witnesses == ("c1", "c2", "c3")
    assert scene(victim="n1").witnesses == ("c1", "c2", "c3", "n1")
    assert scene(victim=ALL).witnesses == ("c1", "c2", "c3")
    assert scene(victim="n1").hosts_guests and not scene(victim="c1").hosts_guests


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, Verdict.PASS, "ran all the time"),
        ({"boot": "b2"}, Verdict.FAIL, "started anew"),
        ({"boot": ""}, Verdict.FAIL, "Nova says ACTIVE, and it does not answer"),
        ({"status": "SHUTOFF", "boot": ""}, Verdict.FAIL, "SHUTOFF, and its host was not hit"),
        ({"status": "SHUTOFF"}, Verdict.FAIL, "Nova says SHUTOFF, and it answers"),
        ({"task": "powering-on"}, Verdict.FAIL, "powering-on"),
        ({"lost": True, "boot": "b2"}, Verdict.PASS, "started anew when its host was back"),
        ({"lost": True, "status": "SHUTOFF", "boot": ""}, Verdict.PASS, "is SHUTOFF, as Nova says"),
        ({"lost": True, "boot": ""}, Verdict.FAIL, "does not answer"),
    ],
)
def test_what_becomes_of_servers(changes: dict[str, Any], verdict: Verdict, said: str) -> None:
    guest = {"status": "ACTIVE", "task": "", "boot": "b1", "first": "b1", "host": "n1", "lost": False}
    (finding,) = ask(CHECK, _history(record("afterwards", 24.0, endpoint="guest", guest=guest | changes)))
    assert (finding.verdict, said in finding.text) == (verdict, True), finding.text


def test_a_server_that_nobody_looked_at_is_no_proof() -> None:
    (finding,) = ask(CHECK, _history())
    assert finding.verdict is Verdict.UNKNOWN


def _history(*records: dict[str, Any]) -> History:
    run = record("run", 0.0, run="r1", endpoints={"guest": endpoint(service="nova-compute")})
    return History(str(Path("/nowhere")), run, (run, *records), (), ())


def test_the_benchmark_has_every_client_of_a_cloud_in_one_of_its_groups() -> None:
    groups = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/cloud.py"))["GROUPS"]
    named = [client for _, clients in groups.values() for client in clients]
    web_server = {"own-page", "record-writer"}
    assert sorted(named) == sorted(catalogue()["workloads"].keys() - web_server)
