"""Neutron, as a tenant uses it: a network with a way out, ports, floating IPs; and all of it gone again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.cloud import Cloud, Json, login, until

SERVICE = "network"
API = "/v2.0"
UP_S, GONE_S = 60.0, 30.0
CIDR = "192.168.77.0/24"
OPEN: tuple[Json, ...] = (
    {"protocol": "icmp"},
    {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22},
    {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80},
)
"""What a group lets in, where nothing else is said: ping, SSH, HTTP."""


@dataclass(frozen=True)
class Net:
    """Ids of what a tenant's servers need. ``router`` is empty where there is no way out."""

    network: str
    subnet: str
    group: str
    router: str = ""


@dataclass(frozen=True)
class Floating:
    """A floating IP: its id, and the address that clients outside use."""

    id: str
    address: str


async def make_and_delete(outside: Outside, *, external: str) -> str:
    """A network with everything, a port and a floating IP, all gone again. For ``verify``.

    Args:
        outside: where the cloud is.
        external: name of the external network; without one there is no router's gateway and no floating IP.
    """
    async with login(outside) as cloud:
        name = f"quorate-verify-{secrets.token_hex(4)}"
        address = "no way out"
        try:
            made = await build(cloud, name, external=external)
            port, fixed = await create_port(cloud, made, name)
            if external:
                address = (await create_floating(cloud, external, port)).address
        finally:
            await delete(cloud, name)
        rest = await left(cloud, name)
        if rest:
            raise QuorateError(f"not everything is gone: {', '.join(rest)}")
    return f"{fixed} on {CIDR}, {address}, nothing left"


async def build(
    cloud: Cloud, name: str, *, external: str = "", cidr: str = CIDR, rules: Sequence[Json] = OPEN
) -> Net:
    """A network, a subnet with DHCP, a security group, and a router to ``external``, all called ``name``.

    Raises:
        QuorateError: Neutron refuses one of them (a quota …); what was made before it is left for `delete`.
    """
    network = await _make(cloud, "network", {"name": name})
    subnet = await _make(
        cloud, "subnet", {"name": name, "network_id": network["id"], "ip_version": 4, "cidr": cidr}
    )
    group = await _make(cloud, "security-group", {"name": name})
    every = [
        {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4", **rule}
        for rule in rules
    ]
    if every:
        await cloud.call("POST", SERVICE, f"{API}/security-group-rules", {"security_group_rules": every})
    router = ""
    if external:
        gateway = {"network_id": await network_id(cloud, external)}
        router = (await _make(cloud, "router", {"name": name, "external_gateway_info": gateway}))["id"]
        path = f"{API}/routers/{router}/add_router_interface"
        await cloud.call("PUT", SERVICE, path, {"subnet_id": subnet["id"]})
    return Net(network["id"], subnet["id"], group["id"], router)


async def network_id(cloud: Cloud, name: str) -> str:
    """The id of the network ``name``. Raises QuorateError where there is none."""
    found = (await cloud.call("GET", SERVICE, f"{API}/networks?name={name}"))["networks"]
    if not found:
        raise QuorateError(f"there is no network {name}")
    return str(found[0]["id"])


async def create_port(cloud: Cloud, net: Net, name: str) -> tuple[str, str]:
    """A port on ``net``, in its group; hands back its id and its address."""
    body = {"name": name, "network_id": net.network, "security_groups": [net.group]}
    port = await _make(cloud, "port", body)
    return str(port["id"]), str(port["fixed_ips"][0]["ip_address"])


async def port_up(cloud: Cloud, port: str, *, within_s: float = UP_S) -> None:
    """Wait until ``port`` is ACTIVE: OVN has it where its server is, and Neutron heard of it."""

    async def look() -> tuple[bool, str]:
        found = (await cloud.call("GET", SERVICE, f"{API}/ports/{port}"))["port"]
        host = found.get("binding:host_id") or "no host"
        return found["status"] == "ACTIVE", f"{found['status']} on {host}"

    await until(f"the port {port} is up", look, within_s)


async def port_of(cloud: Cloud, server: str) -> str:
    """The first port of ``server``. Raises QuorateError where it has none."""
    found = (await cloud.call("GET", SERVICE, f"{API}/ports?device_id={server}"))["ports"]
    if not found:
        raise QuorateError(f"the server {server} has no port")
    return str(found[0]["id"])


async def create_floating(cloud: Cloud, external: str, port: str) -> Floating:
    """A floating IP from the network called ``external``, that leads to ``port``."""
    body = {"floating_network_id": await network_id(cloud, external), "port_id": port}
    found = await _make(cloud, "floatingip", body)
    return Floating(str(found["id"]), str(found["floating_ip_address"]))


async def delete(cloud: Cloud, name: str) -> None:
    """Everything that is called ``name``, with what hangs on it. Servers go first, with their ports.

    Raises:
        QuorateError: Neutron refuses, or something is still there afterwards.
    """
    routers = await _named(cloud, "routers", name)
    networks = await _named(cloud, "networks", name)
    ports: set[str] = set()
    for network in networks:
        found = (await cloud.call("GET", SERVICE, f"{API}/ports?network_id={network}&fields=id"))["ports"]
        ports.update(port["id"] for port in found)
    for floating in await _floating(cloud):
        if floating["port_id"] in ports:
            await _delete(cloud, f"floatingips/{floating['id']}")
    for router in routers:
        held = f"{API}/ports?device_id={router}&device_owner=network:router_interface"
        for port in (await cloud.call("GET", SERVICE, held))["ports"]:
            body = {"port_id": port["id"]}
            path = f"{API}/routers/{router}/remove_router_interface"
            await cloud.call("PUT", SERVICE, path, body, good=(200, 404))
        await _delete(cloud, f"routers/{router}")
    for port in await _named(cloud, "ports", name):
        await _delete(cloud, f"ports/{port}")
    for network in networks:
        await _delete(cloud, f"networks/{network}")
    for group in await _named(cloud, "security-groups", name):
        await _delete(cloud, f"security-groups/{group}")

    async def look() -> tuple[bool, str]:
        rest = await left(cloud, name)
        return not rest, ", ".join(rest) or "nothing"

    await until(f"everything called {name} is gone", look, GONE_S)


async def release(cloud: Cloud) -> int:
    """Give all floating IPs of the project back; hands back how many there were."""
    found = await _floating(cloud)
    for one in found:
        await _delete(cloud, f"floatingips/{one['id']}")
    return len(found)


async def forget_default_group(cloud: Cloud, project: str) -> None:
    """Remove the group that Neutron made for ``project`` by itself. ``cloud`` is an administrator's."""
    for group in await _groups(cloud, project):
        await _delete(cloud, f"security-groups/{group}")


async def owned(cloud: Cloud, project: str) -> list[str]:
    """Everything of ``project``, with its ids. ``cloud`` is an administrator's."""

    async def ids(kind: str) -> list[str]:
        path = f"{API}/{kind}?project_id={project}&fields=id"
        return [str(one["id"]) for one in (await cloud.call("GET", SERVICE, path))[kind]]

    kinds = ("networks", "subnets", "routers", "ports", "floatingips")
    found = await asyncio.gather(*map(ids, kinds), _groups(cloud, project))
    every = zip((*kinds, "security-groups"), found, strict=True)
    return [f"{kind[:-1]} {one}" for kind, some in every for one in some]


async def _floating(cloud: Cloud) -> list[Json]:
    """The project's floating IPs."""
    path = f"{API}/floatingips?project_id={cloud.project_id}"
    return list((await cloud.call("GET", SERVICE, path))["floatingips"])


async def _groups(cloud: Cloud, project: str) -> list[str]:
    # Not asked for by project: Neutron makes a default group for whom it is asked about.
    path = f"{API}/security-groups?fields=id&fields=project_id"
    found = (await cloud.call("GET", SERVICE, path))["security_groups"]
    return [str(one["id"]) for one in found if one["project_id"] == project]


async def left(cloud: Cloud, name: str) -> list[str]:
    """What there is with that name: nothing, where everything was deleted."""
    kinds = ("networks", "subnets", "routers", "ports", "security-groups")
    found = await asyncio.gather(*(_named(cloud, kind, name) for kind in kinds))
    return [f"{kind} {one}" for kind, ids in zip(kinds, found, strict=True) for one in ids]


async def _named(cloud: Cloud, kind: str, name: str) -> list[str]:
    found = await cloud.call("GET", SERVICE, f"{API}/{kind}?name={name}&project_id={cloud.project_id}")
    return [str(one["id"]) for one in found[kind.replace("-", "_")]]


async def _make(cloud: Cloud, kind: str, body: Json) -> Json:
    key = kind.replace("-", "_")
    return dict((await cloud.call("POST", SERVICE, f"{API}/{kind}s", {key: body}))[key])


async def _delete(cloud: Cloud, path: str) -> None:
    await cloud.call("DELETE", SERVICE, f"{API}/{path}", good=(204, 404))
