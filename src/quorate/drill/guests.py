"""The drill's own servers: one on each of two computes, their floating IPs through gateways that are chosen.

Of one the gateway is the victim, of the other it is not: so every drill that hits a node shows both what a
gateway costs and that nobody else notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from quorate.drill.contract import ALL, Scene
from quorate.errors import QuorateError
from quorate.services.clients import compute, network
from quorate.services.clients.cloud import Cloud, Json, login, until
from quorate.services.networking.settings import NEUTRON, NeutronOptions

NEEDS = frozenset({"glance", "neutron", "nova", "nova-compute"})
UPLOAD_S, ANSWER_S, AGREE_S, GONE_S = 180.0, 180.0, 180.0, 180.0
PREFIX = "quorate-drill-guests-"
"""Of the names of all that any drill made for its servers."""
PAGE_S = 2.0
ROUTERS = 12
"""So many routers are tried, at most, until one has the gateway that is wanted: they are spread evenly."""
GATEWAYS = ("ovn-nbctl", "--no-leader-only", "--timeout=10", "lrp-get-gateway-chassis")
MEMORY_MIB = 128


@dataclass(frozen=True)
class Guest:
    """A server of the drill's: what it is for, its id, address, host, gateway, and its life at first."""

    role: str
    server: str
    address: str
    host: str
    gateway: str
    boot: str


def possible(scene: Scene) -> bool:
    """Whether the cluster can have servers that a client outside reaches, and there is an image for them."""
    return (
        bool(scene.image)
        and scene.services >= NEEDS
        and external(scene) != ""
        and bool(scene.cluster.computes)
    )


def external(scene: Scene) -> str:
    """The name of the network that floating IPs are from; "" where there is none."""
    given = scene.cluster.services[NEUTRON].options if NEUTRON in scene.cluster.services else {}
    found = NeutronOptions.model_validate(given).external
    return found.name if found is not None else ""


def places(scene: Scene) -> dict[str, tuple[str, bool]]:
    """What each server is for, its host, and whether its gateway is to be the victim.

    ``guest`` has nothing to do with the victim; ``guest-gateway`` has it as its gateway; ``guest-host`` is on
    it, and lost with it.
    """
    hosts = [node for node in scene.cluster.computes if node != scene.victim]
    found: dict[str, tuple[str, bool]] = {}
    if hosts:
        found["guest"] = (hosts[0], False)
        if scene.victim in scene.cluster.chassis:
            found["guest-gateway"] = (hosts[-1], True)
    if scene.hosts_guests:
        found["guest-host"] = (scene.victim, False)
    return found


class Guests:
    """Makes them once, for all workloads that ask them something, and takes them away again.

    Args:
        scene: the victim is known.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene, self._name = scene, f"{PREFIX}{scene.run}"
        self._stack, self._lock = AsyncExitStack(), asyncio.Lock()
        self._cloud: Cloud | None = None
        self._image = ""
        self.all: dict[str, Guest] = {}
        """By role, once `ready` is through."""

    async def ready(self) -> dict[str, Guest]:
        """Make them, and wait until each answers on its floating IP. Raises QuorateError."""
        async with self._lock:
            if self._cloud is not None and not self.all:
                raise QuorateError("the drill's servers could not be made; who tried first says why")
            if not self.all:
                self._cloud = await self._stack.enter_async_context(login(self._scene.outside))
                await _swept(self._cloud, PREFIX)
                self._image = await self._upload(self._cloud)
                flavor = await _smallest(self._cloud)
                found = {}
                # One after the other: two that boot at once on a small machine keep each other from it.
                for role, (host, through) in places(self._scene).items():
                    found[role] = await self._make(self._cloud, role, host, flavor, through=through)
                self.all = found
        return self.all

    async def _upload(self, cloud: Cloud) -> str:
        record = {"name": self._name, "disk_format": "raw", "container_format": "bare"}
        image = str((await cloud.call("POST", "image", "/v2/images", record))["id"])
        content = await asyncio.to_thread(Path(self._scene.image).read_bytes)
        headers = {"X-Auth-Token": cloud.token, "Content-Type": "application/octet-stream"}
        limit = aiohttp.ClientTimeout(total=UPLOAD_S)
        url = cloud.url("image", f"/v2/images/{image}/file")
        async with cloud.http.put(url, data=content, headers=headers, timeout=limit) as answer:
            if answer.status != 204:
                raise QuorateError(f"PUT {url} answered {answer.status}: {(await answer.text())[:200]}")
        return image

    async def _make(self, cloud: Cloud, role: str, host: str, flavor: str, *, through: bool) -> Guest:
        net = await network.build(cloud, self._name)
        gateway = await self._router(cloud, net.subnet, through=through)
        port, _ = await network.create_port(cloud, net, self._name)
        server = await compute.create(
            cloud,
            image=self._image,
            flavor=flavor,
            networks=[{"port": port}],
            name=f"{self._name}-{role}",
            host=host,
        )
        await compute.active(cloud, server)
        floating = await network.create_floating(cloud, external(self._scene), port)
        guest = Guest(role, server, floating.address, host, gateway, "")

        async def look() -> tuple[bool, str]:
            boot = await self.boot(guest)
            return bool(boot), boot or "no answer"

        boot = await until(f"{role}, on {host}, answers at {floating.address}", look, ANSWER_S)
        return Guest(role, server, floating.address, host, gateway, boot)

    async def _router(self, cloud: Cloud, subnet: str, *, through: bool) -> str:
        """A router with a gateway that is the victim, or is not; hands back which node it is.

        Raises:
            QuorateError: among `ROUTERS` of them there was none.
        """
        outside = {"network_id": await network.network_id(cloud, external(self._scene))}
        spare: list[str] = []
        try:
            for _ in range(ROUTERS):
                body: Json = {"router": {"name": self._name, "external_gateway_info": outside}}
                router = str((await cloud.call("POST", "network", "/v2.0/routers", body))["router"]["id"])
                spare.append(router)
                gateway = await self._gateway(cloud, router)
                if (gateway == self._scene.victim) == through:
                    path = f"/v2.0/routers/{router}/add_router_interface"
                    await cloud.call("PUT", "network", path, {"subnet_id": subnet})
                    spare.remove(router)
                    return gateway
        finally:
            for router in spare:
                await cloud.call("DELETE", "network", f"/v2.0/routers/{router}", good=(204, 404))
        wanted = f"through {self._scene.victim}" if through else f"past {self._scene.victim}"
        raise QuorateError(f"none of {ROUTERS} routers goes {wanted}")

    async def _gateway(self, cloud: Cloud, router: str) -> str:
        """The node that Neutron prefers as the gateway of ``router``, of those that OVN was told."""
        path = f"/v2.0/ports?device_id={router}&device_owner=network:router_gateway"
        (port,) = (await cloud.call("GET", "network", path))["ports"]
        asked = self._scene.cluster.controllers[0]
        done = await self._scene.nodes.run(asked, (*GATEWAYS, f"lrp-{port['id']}"))
        found = preferred(done.stdout.decode(), port["id"])
        if done.exit or not found:
            said = done.stderr.decode(errors="replace").strip()[-200:]
            raise QuorateError(
                f"OVN does not say who the gateway of the router {router} is: {said}", where=asked
            )
        return found

    async def boot(self, guest: Guest) -> str:
        """Which of its lives the server lives, as itself says; "" where it does not answer."""
        assert self._cloud is not None
        limit = aiohttp.ClientTimeout(total=PAGE_S)
        try:
            async with self._cloud.http.get(f"http://{guest.address}/", timeout=limit) as answer:
                return str((await answer.json(content_type=None))["boot_id"]) if answer.status == 200 else ""
        except (aiohttp.ClientError, OSError, ValueError, KeyError):
            return ""

    async def now(self, guest: Guest) -> dict[str, object]:
        """What Nova says of it, and what itself says; given time to be the same.

        A server that was lost with its host is started again by Nova when the host is back, if it ran before.
        """
        found: dict[str, object] = {}

        async def look() -> tuple[bool, str]:
            assert self._cloud is not None
            said = await compute.show(self._cloud, guest.server)
            boot = await self.boot(guest)
            task = said.get("OS-EXT-STS:task_state")
            found.update(status=said["status"], task=task or "", boot=boot, first=guest.boot, host=guest.host)
            agreed = not task and ((said["status"] == "ACTIVE") == bool(boot))
            return agreed, f"Nova says {said['status']}, it answers: {bool(boot)}"

        # Where they do not agree in time, that is for the check to say: `found` has both.
        with suppress(QuorateError):
            await until(f"Nova knows how {guest.role} is", look, AGREE_S, 1.0)
        return found

    async def gone(self) -> None:
        """Delete them, their networks, and the image. Raises QuorateError where something is left."""
        async with self._lock, self._stack:
            cloud, self._cloud, self.all = self._cloud, None, {}
            if cloud is None:
                return
            await _swept(cloud, self._name)


async def _swept(cloud: Cloud, prefix: str) -> None:
    """Delete whatever is called ``prefix…``; again where the cloud, hit a moment ago, refuses.

    Raises:
        QuorateError: something is left after `GONE_S`.
    """

    async def look() -> tuple[bool, str]:
        try:
            await _sweep(cloud, prefix)
        except QuorateError as error:
            return False, str(error)
        return True, "nothing left"

    await until(f"everything called {prefix}… is gone", look, GONE_S, 2.0)


async def _sweep(cloud: Cloud, prefix: str) -> None:
    """Try it once: every server, then networks and images. Raises QuorateError with what went wrong first."""
    servers = await compute.versioned(cloud).call("GET", "compute", f"/servers?name=^{prefix}")
    failed: list[QuorateError] = []
    for server in servers["servers"]:
        try:
            await compute.delete(cloud, server["id"])
        except QuorateError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    names = set()
    for kind in ("networks", "routers", "security-groups"):
        path = f"/v2.0/{kind}?project_id={cloud.project_id}&fields=name"
        found = (await cloud.call("GET", "network", path))[kind.replace("-", "_")]
        names |= {one["name"] for one in found if one["name"].startswith(prefix)}
    for name in sorted(names):
        await network.delete(cloud, name)
    for image in (await cloud.call("GET", "image", "/v2/images?limit=1000"))["images"]:
        if image["name"].startswith(prefix):
            await cloud.call("DELETE", "image", f"/v2/images/{image['id']}", good=(204, 404))


async def _smallest(cloud: Cloud) -> str:
    """The id of the smallest flavor that the image boots with. Raises QuorateError where there is none."""
    found = (await compute.versioned(cloud).call("GET", "compute", "/flavors/detail"))["flavors"]
    fitting = sorted((one["ram"], one["disk"], str(one["id"])) for one in found if one["ram"] >= MEMORY_MIB)
    if not fitting:
        raise QuorateError(f"there is no flavor with {MEMORY_MIB} MiB of memory or more")
    return fitting[0][2]


def preferred(text: str, port: str) -> str:
    """Of what `GATEWAYS` prints ("lrp-PORT_CHASSIS PRIORITY" a line) the one with the highest priority."""
    rows = (line.split() for line in text.splitlines())
    ranked: Sequence[tuple[int, str]] = sorted(
        (int(row[1]), row[0].removeprefix(f"lrp-{port}_")) for row in rows if len(row) == 2
    )
    return ranked[-1][1] if ranked else ""


def hits(scene: Scene, guest: Guest) -> bool:
    """The victim is the host of ``guest``, so that it is lost."""
    return scene.victim == guest.host and scene.victim != ALL
