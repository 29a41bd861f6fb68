"""The looks at Neutron on a node, with stand-ins for its API and for OVN's tools."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.node import neutron, neutron_external, openstack, raft, tools

ARGS: dict[str, Any] = {
    "url": "http://neutron", "access": {}, "timeout_s": 1.0, "patience_s": 0.0, "lock": "the-lock",
    "wait_s": 0.0,
    "northbound": {"control": "/c", "database": "OVN_Northbound", "socket": "/s"},
    "external": {
        "name": "public", "physical": "provider", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1",
        "first": "10.0.0.128", "last": "10.0.0.254",
    },
}  # fmt: skip
AGENTS = {"agents": [{"host": "n1", "binary": "ovn-controller", "alive": True, "id": "x"}]}
NETWORK = {"id": "net", "name": "public", "router:external": True, "provider:physical_network": "provider"}
SUBNET = {
    "id": "sub", "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1",
    "allocation_pools": [{"start": "10.0.0.128", "end": "10.0.0.254"}],
}  # fmt: skip


class Api:
    """Answers by path, and remembers what was asked to change."""

    def __init__(self, status: int = 200, **answers: Any) -> None:
        self.status, self.answers, self.changes = status, answers, list[tuple[str, str, Any]]()

    def ask(self, url: str, *, method: str = "", body: Any = None, **_: Any) -> openstack.Answer:
        path = url.split("/v2.0/")[1].partition("?")[0]
        if method in ("POST", "PUT"):
            self.changes.append((method, path, body))
            kind = path.partition("/")[0].removesuffix("s")
            return openstack.Answer(201 if method == "POST" else 200, {}, {kind: {"id": "net", **body[kind]}})
        return openstack.Answer(self.status, {}, self.answers.get(path, {}))


def put(monkeypatch: pytest.MonkeyPatch, api: Api, role: str = "follower", lock: str = "") -> None:
    def run(argv: list[str], **_: Any) -> tools.Done:
        assert argv[0] == "ovsdb-client" and argv[-2:] == ["unix:/s", "the-lock"]
        return tools.Done(-14, lock, "")

    monkeypatch.setattr(openstack, "token", lambda access, refused="": "token")
    monkeypatch.setattr(openstack, "ask", api.ask)
    monkeypatch.setattr(raft, "look", lambda _: {"role": role})
    monkeypatch.setattr(tools, "run", run)


@pytest.mark.parametrize(
    ("role", "said", "locked"),
    [
        ("leader", '{"locked":false}\n', True),
        ("leader", '{"locked": true}\n', False),
        ("leader", "", None),
        ("follower", '{"locked":true}\n', None),
    ],
)
def test_only_the_leader_knows_of_the_lock(
    monkeypatch: pytest.MonkeyPatch, role: str, said: str, locked: bool | None
) -> None:
    put(monkeypatch, Api(agents=AGENTS), role, said)
    state = neutron.look(ARGS)
    assert state["locked"] is locked and state["error"] == ""
    assert state["agents"] == [{"host": "n1", "binary": "ovn-controller", "alive": True}]


def test_an_api_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Api(status=503))
    state = neutron.look(ARGS)
    assert "503" in state["error"] and state["agents"] == []


def test_an_agent_that_only_lags_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    api, lags = Api(), iter([False, True])

    def ask(url: str, **_: Any) -> openstack.Answer:
        return openstack.Answer(200, {}, {"agents": [{**AGENTS["agents"][0], "alive": next(lags)}]})

    put(monkeypatch, api)
    monkeypatch.setattr(openstack, "ask", ask)
    assert neutron.look({**ARGS, "patience_s": 5.0})["agents"][0]["alive"] is True


def test_a_refusal_is_no_reason_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Api(status=403))
    with pytest.raises(tools.Failed) as caught:
        neutron.ask(ARGS, "GET", "/networks")
    assert not isinstance(caught.value, tools.NotReady)


@pytest.mark.parametrize(
    ("network", "subnet", "wrong"),
    [
        ([NETWORK], [SUBNET], []),
        ([], [], ["network: absent"]),
        ([NETWORK], [], ["subnet: absent"]),
        ([{**NETWORK, "router:external": False}], [SUBNET], ["network: there is another one called public"]),
        ([NETWORK], [{**SUBNET, "gateway_ip": "10.0.0.9"}], ["subnet: another gateway"]),
        ([NETWORK], [{**SUBNET, "allocation_pools": []}], ["subnet: other addresses for floating IPs"]),
    ],
)
def test_what_is_wrong_with_the_external_network(
    monkeypatch: pytest.MonkeyPatch, network: Any, subnet: Any, wrong: list[str]
) -> None:
    put(monkeypatch, Api(networks={"networks": network}, subnets={"subnets": subnet}))
    assert neutron_external.look(ARGS)["wrong"] == wrong


def test_an_absent_one_is_made_with_its_subnet(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(networks={"networks": []}, subnets={"subnets": []})
    put(monkeypatch, api)
    neutron_external.fix(ARGS, {"wrong": []}, ["wrong"])
    (_, _, network), (_, _, subnet) = api.changes
    assert network["network"]["router:external"] and network["network"]["provider:network_type"] == "flat"
    assert subnet["subnet"]["network_id"] == "net" and subnet["subnet"]["enable_dhcp"] is False
    assert subnet["subnet"]["allocation_pools"] == SUBNET["allocation_pools"]


def test_one_that_differs_is_changed_and_a_strangers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(networks={"networks": [NETWORK]}, subnets={"subnets": [{**SUBNET, "allocation_pools": []}]})
    put(monkeypatch, api)
    neutron_external.fix(ARGS, {"wrong": []}, ["wrong"])
    assert [(method, path) for method, path, _ in api.changes] == [("PUT", "subnets/sub")]
    api = Api(networks={"networks": [{**NETWORK, "router:external": False}]}, subnets={"subnets": []})
    put(monkeypatch, api)
    with pytest.raises(tools.Failed, match="another network called public"):
        neutron_external.fix(ARGS, {"wrong": []}, ["wrong"])
    assert api.changes == []
