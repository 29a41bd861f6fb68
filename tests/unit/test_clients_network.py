"""A tenant's steps with networks, against a stand-in for Neutron that keeps what was made."""

from __future__ import annotations

import itertools
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest

from quorate.errors import QuorateError
from quorate.services.clients import network
from quorate.services.clients.cloud import Cloud


class Neutron:
    """As much of Neutron as the steps need: it keeps things by kind, and refuses what real ones refuse."""

    project_id = "p"

    def __init__(self, refuse: str = "") -> None:
        self.refuse, self.numbers = refuse, itertools.count(1)
        outside = {"id": "ext", "name": "public", "project_id": "admin"}
        self.kept: dict[str, dict[str, dict[str, Any]]] = {"networks": {"ext": outside}}
        self.deleted: list[str] = []

    def _add(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"id": f"{kind}-{next(self.numbers)}", "project_id": "p", "name": "", **body}
        if kind == "ports":
            made["fixed_ips"] = [{"ip_address": "192.168.77.9"}]
        if kind == "floatingips":
            made["floating_ip_address"] = "10.0.0.130"
        self.kept.setdefault(kind, {})[made["id"]] = made
        return made

    async def call(self, method: str, service: str, path: str, body: Any = None, **_: Any) -> dict[str, Any]:
        assert service == "network"
        path, _mark, query = path.removeprefix("/v2.0/").partition("?")
        kind, _mark, rest = path.partition("/")
        one, _mark, verb = rest.partition("/")
        if verb == "add_router_interface":
            owner = {"device_id": one, "device_owner": "network:router_interface"}
            subnet = self.kept["subnets"][body["subnet_id"]]
            return self._add("ports", {**owner, "network_id": subnet["network_id"]})
        if verb == "remove_router_interface":
            del self.kept["ports"][body["port_id"]]
            return {}
        if method == "POST":
            (key,) = body
            if key == self.refuse:
                raise QuorateError("POST answered 409: Quota exceeded (req-1)")
            if isinstance(body[key], list):
                return {key: [self._add(kind, one) for one in body[key]]}
            return {key: self._add(kind, body[key])}
        if method == "DELETE":
            self._in_use(kind, one)
            self.deleted.append(kind)
            self.kept[kind].pop(one)
            if kind == "networks":
                subnets = self.kept.get("subnets", {})
                self.kept["subnets"] = {key: it for key, it in subnets.items() if it["network_id"] != one}
            return {}
        if one:
            return {kind.removesuffix("s"): self.kept[kind][one]}
        wanted: dict[str, Any] = {key: value for key, value in parse_qsl(query) if key != "fields"}
        found = [it for it in self.kept.get(kind, {}).values() if wanted.items() <= it.items()]
        return {kind.replace("-", "_"): found}

    def _in_use(self, kind: str, one: str) -> None:
        ports = self.kept.get("ports", {}).values()
        if kind == "networks" and any(port["network_id"] == one for port in ports):
            raise QuorateError("DELETE answered 409: ports still in use")
        if kind == "routers" and any(port.get("device_id") == one for port in ports):
            raise QuorateError("DELETE answered 409: the router has ports")
        if kind == "security-groups" and any(one in port.get("security_groups", ()) for port in ports):
            raise QuorateError("DELETE answered 409: the group is in use")


def cloud(neutron: Neutron) -> Cloud:
    return cast(Cloud, neutron)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        return None

    monkeypatch.setattr("quorate.services.clients.cloud.asyncio.sleep", sleep)
    monkeypatch.setattr(network, "GONE_S", 0.0)


async def test_everything_that_is_made_goes_again() -> None:
    neutron = Neutron()
    made = await network.build(cloud(neutron), "t", external="public")
    port, fixed = await network.create_port(cloud(neutron), made, "t")
    floating = await network.create_floating(cloud(neutron), "public", port)
    assert (fixed, floating.address) == ("192.168.77.9", "10.0.0.130")
    assert neutron.kept["ports"][port]["security_groups"] == [made.group]
    assert await network.left(cloud(neutron), "t") != []
    await network.delete(cloud(neutron), "t")
    assert await network.left(cloud(neutron), "t") == []
    # What is not called so stays.
    assert list(neutron.kept["networks"]) == ["ext"] and not neutron.kept["floatingips"]


async def test_without_a_way_out_there_is_no_router() -> None:
    neutron = Neutron()
    made = await network.build(cloud(neutron), "t")
    assert made.router == "" and "routers" not in neutron.kept


async def test_what_was_made_before_a_refusal_can_be_deleted() -> None:
    neutron = Neutron(refuse="router")
    with pytest.raises(QuorateError, match="req-1"):
        await network.build(cloud(neutron), "t", external="public")
    await network.delete(cloud(neutron), "t")
    assert await network.left(cloud(neutron), "t") == []


async def test_what_does_not_go_is_named() -> None:
    neutron = Neutron()
    await network.build(cloud(neutron), "t")
    neutron.kept["routers"] = {"r": {"id": "r", "name": "t", "project_id": "p"}}

    async def keeps(_: Cloud, path: str) -> None:
        return None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(network, "_delete", keeps)
        with pytest.raises(QuorateError, match="routers r"):
            await network.delete(cloud(neutron), "t")


async def test_an_unknown_network_or_server_is_told() -> None:
    with pytest.raises(QuorateError, match="no network elsewhere"):
        await network.network_id(cloud(Neutron()), "elsewhere")
    with pytest.raises(QuorateError, match="has no port"):
        await network.port_of(cloud(Neutron()), "server")


async def test_a_port_is_waited_for_and_its_host_is_told() -> None:
    neutron = Neutron()
    neutron.kept["ports"] = {"x": {"id": "x", "status": "DOWN", "binding:host_id": "n1"}}
    with pytest.raises(QuorateError, match="DOWN on n1"):
        await network.port_up(cloud(neutron), "x", within_s=0.0)
    neutron.kept["ports"]["x"]["status"] = "ACTIVE"
    await network.port_up(cloud(neutron), "x", within_s=0.0)


async def test_floating_ips_that_lead_nowhere_are_given_back_too() -> None:
    neutron = Neutron()
    neutron.kept["floatingips"] = {"f": {"id": "f", "port_id": None, "project_id": "p"}}
    assert await network.release(cloud(neutron)) == 1 and not neutron.kept["floatingips"]


async def test_the_group_that_neutron_made_by_itself_goes_too_and_no_other_projects() -> None:
    neutron = Neutron()
    neutron.kept["security-groups"] = {one: {"id": one, "name": "default", "project_id": one} for one in "pq"}
    assert await network.owned(cloud(neutron), "p") == ["security-group p"]
    await network.forget_default_group(cloud(neutron), "p")
    assert list(neutron.kept["security-groups"]) == ["q"]
    assert await network.owned(cloud(neutron), "p") == []
