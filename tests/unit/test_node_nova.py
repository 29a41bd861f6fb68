"""The looks at Nova on a node, with stand-ins for its APIs and for virsh."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.node import nova_compute, nova_flavors, nova_room, openstack, tools

ARGS: dict[str, Any] = {
    "node": "n1", "provider": "u", "access": {"ca": "/ca"}, "compute": "https://nova", "placement": "https://placement",
    "timeout_s": 1.0,
}  # fmt: skip
FLAVORS: dict[str, Any] = {
    "url": "http://nova/v2.1", "access": {}, "timeout_s": 1.0, "wait_s": 0.0,
    "flavors": {"m1.nano": {"vcpus": 1, "ram": 128, "disk": 1}, "m1.tiny": {"vcpus": 1, "ram": 512}},
}  # fmt: skip
SERVICE = {
    "state": "up", "status": "enabled", "updated_at": "now", "disabled_reason": None, "forced_down": False,
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "/v2.1/os-services": {"services": [SERVICE]},
    "/resource_providers/u/inventories": {"inventories": {"VCPU": {}}},
}


class Apis:
    """Answers by path, remembers what was asked; ``status`` for everything."""

    def __init__(self, answers: dict[str, dict[str, Any]], status: int = 200) -> None:
        self.answers, self.status, self.asked = answers, status, list[tuple[str, str, Any]]()
        self.tokens, self.headers = list[str](), list[Any]()

    def token(self, access: dict[str, Any], *, refused: str = "") -> str:
        self.tokens.append(refused)
        return f"token{len(self.tokens)}"

    def ask(self, url: str, **options: Any) -> openstack.Answer:
        path = "/" + url.split("/", 3)[3].partition("?")[0]
        self.asked.append((options.get("method", ""), path, options.get("body")))
        self.headers.append(dict(options.get("headers") or {}))
        found = self.answers.get(path, {})
        return openstack.Answer(found.get("status", self.status), {}, found)


def put(monkeypatch: pytest.MonkeyPatch, apis: Apis, virsh: tools.Done | tools.Failed) -> None:
    def run(argv: list[str], **_: Any) -> tools.Done:
        assert argv[0] == "virsh"
        if isinstance(virsh, tools.Failed):
            raise virsh
        return virsh

    monkeypatch.setattr(openstack, "token", apis.token)
    monkeypatch.setattr(openstack, "ask", apis.ask)
    monkeypatch.setattr(tools, "run", run)


def test_a_compute_that_is_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Apis(GOOD), tools.Done(0, "instance-1\ninstance-2\n\n", ""))
    state = nova_compute.look(ARGS)
    assert state["state"] == "up" and state["status"] == "enabled" and state["inventory"]
    assert state["guests"] == 2 and not state["hypervisor"] and not state["error"]


def test_a_compute_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        monkeypatch,
        Apis({"/v2.1/os-services": {"services": []}, "/resource_providers/u/inventories": {"status": 404}}),
        tools.Done(0, "", ""),
    )
    state = nova_compute.look(ARGS)
    assert state["state"] == "" and not state["inventory"] and not state["error"]


@pytest.mark.parametrize(
    "virsh", [tools.Done(1, "", "cannot connect"), tools.Failed("virsh did not end within 1 s")]
)
def test_a_hypervisor_that_does_not_answer_is_told(
    monkeypatch: pytest.MonkeyPatch, virsh: tools.Done | tools.Failed
) -> None:
    put(monkeypatch, Apis(GOOD), virsh)
    state = nova_compute.look(ARGS)
    assert state["hypervisor"] and state["state"] == "up"


def test_one_that_was_declared_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"services": [{**SERVICE, "state": "down", "forced_down": True}]}
    apis = Apis({**GOOD, "/v2.1/os-services": told})
    put(monkeypatch, apis, tools.Done(0, "", ""))
    state = nova_compute.look(ARGS)
    assert state["forced_down"] is True and state["state"] == "down" and state["node"] == "n1"
    assert {"OpenStack-API-Version": "compute 2.11"} in apis.headers, "before, Nova does not say it"


def test_an_api_that_answers_with_an_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Apis(GOOD, status=503), tools.Done(0, "", ""))
    assert "answered 503" in nova_compute.look(ARGS)["error"]


def test_a_token_that_is_refused_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    apis = Apis(GOOD, status=401)
    put(monkeypatch, apis, tools.Done(0, "", ""))
    assert "answered 401" in nova_compute.look(ARGS)["error"]
    assert apis.tokens == ["", "token1"]


def test_waiting_for_a_compute_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Apis({**GOOD, "/v2.1/os-services": {"services": []}}), tools.Done(0, "", ""))
    with pytest.raises(tools.Failed) as failed:
        nova_compute.fix({**ARGS, "wait_s": 0.0}, {"state": "up"}, ["state"])
    assert "inventory: True" in failed.value.evidence


def test_only_flavors_that_are_missing_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    apis = Apis({"/v2.1/flavors": {"flavors": [{"name": "m1.tiny"}, {"name": "mine"}]}})
    put(monkeypatch, apis, tools.Done(0, "", ""))
    assert nova_flavors.look(FLAVORS) == {"missing": ["m1.nano"]}
    nova_flavors.fix(FLAVORS, {"missing": []}, ["missing"])
    made = [body for method, _, body in apis.asked if method == "POST"]
    assert made == [{"flavor": {"name": "m1.nano", "vcpus": 1, "ram": 128, "disk": 1}}]


def test_a_nova_that_is_not_up_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Apis({}, status=503), tools.Done(0, "", ""))
    with pytest.raises(tools.NotReady):
        nova_flavors.look(FLAVORS)
    with pytest.raises(tools.NotReady):
        nova_flavors.fix(FLAVORS, {"missing": []}, ["missing"])


def test_a_flavor_that_is_refused_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Apis({}, status=400), tools.Done(0, "", ""))
    with pytest.raises(tools.Failed) as failed:
        nova_flavors.look(FLAVORS)
    assert not isinstance(failed.value, tools.NotReady)


# Room, as Placement and Nova of a real cluster told it.

SERVER, GONE, MOVE = "b40cd3d3-ce03-4e3a-a34e-8047bccca541", "5e1f0000-aaaa", "5e1f0000-bbbb"
TAKES = {"resources": {"DISK_GB": 1, "MEMORY_MB": 128, "VCPU": 1}}
UNITS = {"min_unit": 1, "step_size": 1}
INVENTORIES = {
    "resource_provider_generation": 7,
    "inventories": {
        "VCPU": {"total": 2, "reserved": 0, "max_unit": 2, "allocation_ratio": 4.0, **UNITS},
        "MEMORY_MB": {"total": 24105, "reserved": 1024, "max_unit": 24105, "allocation_ratio": 1.0, **UNITS},
        "DISK_GB": {"total": 12, "reserved": 0, "max_unit": 12, "allocation_ratio": 1.0, **UNITS},
    },
}
ROOM: dict[str, Any] = {**ARGS, "needs": {"VCPU": 1, "MEMORY_MB": 128, "DISK_GB": 1, "VGPU": 1}}


def room(*takers: str, here: tuple[str, ...] = (SERVER,), **more: dict[str, Any]) -> Apis:
    """Placement with ``takers`` on n1, where Nova has the servers ``here``; ``more`` by id of a server."""
    return Apis(
        {
            "/resource_providers/u/inventories": INVENTORIES,
            "/resource_providers/u/allocations": {"allocations": dict.fromkeys(takers, TAKES)},
            "/v2.1/servers": {"servers": [{"id": one} for one in here]},
            "/v2.1/os-migrations": {"migrations": []},
            **{f"/v2.1/servers/{one}": {"status": 404, "itemNotFound": {}} for one in (GONE, MOVE)},
            **more,
        }
    )


def test_the_room_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, room(SERVER), tools.Done(0, "", ""))
    state = nova_room.look(ROOM)
    assert state["free"] == {"VCPU": 7, "MEMORY_MB": 22953, "DISK_GB": 11}
    assert state["needs"] == {"VCPU": 1, "MEMORY_MB": 128, "DISK_GB": 1}, "of what this node has"
    assert state["strays"] == [] and state["error"] == ""


def test_where_nobody_takes_room_nova_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    apis = room()
    put(monkeypatch, apis, tools.Done(0, "", ""))
    assert nova_room.look(ROOM)["free"]["VCPU"] == 8
    assert not [path for _, path, _ in apis.asked if path.startswith("/v2.1")]


def test_who_takes_room_and_is_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, room(SERVER, GONE), tools.Done(0, "", ""))
    assert nova_room.look(ROOM)["strays"] == [GONE]


def test_a_server_that_is_being_made_has_no_host_yet_and_is_no_stray(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {f"/v2.1/servers/{GONE}": {"server": {"id": GONE, "status": "BUILD"}}}
    put(monkeypatch, room(SERVER, GONE, **made), tools.Done(0, "", ""))
    assert nova_room.look(ROOM)["strays"] == []


@pytest.mark.parametrize(
    ("status", "strays"), [("running", []), ("finished", []), ("completed", [MOVE]), ("error", [MOVE])]
)
def test_a_migration_takes_room_by_an_id_of_its_own(
    monkeypatch: pytest.MonkeyPatch, status: str, strays: list[str]
) -> None:
    moves = {"/v2.1/os-migrations": {"migrations": [{"status": status}]}}
    put(monkeypatch, room(SERVER, MOVE, **moves), tools.Done(0, "", ""))
    assert nova_room.look(ROOM)["strays"] == strays


def test_a_node_that_placement_does_not_know_has_no_room_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, Apis({"/resource_providers/u/inventories": {"status": 404}}), tools.Done(0, "", ""))
    state = nova_room.look(ROOM)
    assert state["free"] == state["needs"] == {} and state["error"] == ""


@pytest.mark.parametrize(("status", "said"), [(503, "answered 503"), (403, "answered 403"), (200, "has no")])
def test_a_placement_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
    inventories = {"/resource_providers/u/inventories": INVENTORIES} if status == 200 else {}
    put(monkeypatch, Apis(inventories, status=status), tools.Done(0, "", ""))
    assert said in nova_room.look(ROOM)["error"]
