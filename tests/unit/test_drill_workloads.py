"""The HTTP workloads against a TLS server: what counts as good, new and kept connections, the CA checked."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import ClientConnectorCertificateError, web

from quorate.drill.contract import Attempt, Scene
from quorate.drill.http import Refused
from quorate.drill.model import Phase
from quorate.drill.workloads.horizon_page import PATH, HorizonPage
from quorate.drill.workloads.keystone_read import KeystoneRead
from quorate.drill.workloads.keystone_token import KeystoneToken
from quorate.home import Home
from quorate.secrets.pki import Pki
from quorate.secrets.store import Secrets


@dataclass
class Plane:
    """A Keystone and a Horizon of twenty lines."""

    port: int = 0
    connections: set[object] = field(default_factory=set)
    status: int = 0
    bodies: list[dict[str, object]] = field(default_factory=list)

    async def token(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport)
        self.bodies.append(json.loads(await request.text()))
        said = {"token": {"project": {"id": "p1"}}}
        return web.json_response(said, status=self.status or 201, headers={"X-Subject-Token": "t1"})

    async def project(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport)
        known = request.headers.get("X-Auth-Token") == "t1"
        return web.json_response({}, status=self.status or (200 if known else 401))

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(text="<input name='csrfmiddlewaretoken'>" if not self.status else "sorry")


Start = Callable[[Plane], AsyncIterator[Scene]]


@pytest.fixture
async def scene(tmp_path: Path, plane: Plane) -> AsyncIterator[Scene]:
    home = Home(tmp_path / "home")
    home.create()
    certificate, key = Pki(home).certificate("here", ("127.0.0.1",), ("localhost",))
    (tmp_path / "pem").write_text(f"{_text(certificate)}\n{_text(key)}")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "pem")
    app = web.Application()
    app.router.add_post("/v3/auth/tokens", plane.token)
    app.router.add_get("/v3/projects/p1", plane.project)
    app.router.add_get(PATH, plane.page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    plane.port = runner.addresses[0][1]
    services = ("keystone", "horizon")
    yield Scene(
        run="r",
        cluster=None,  # type: ignore[arg-type]
        secrets=Secrets(home.secrets),
        ca_file=str(home.ca_file),
        vips=dict.fromkeys(services, str(ip_address("127.0.0.1"))),
        ports=dict.fromkeys(services, plane.port),
        nodes=None,  # type: ignore[arg-type]
        power=None,  # type: ignore[arg-type]
    )
    await runner.cleanup()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture
def plane() -> Plane:
    return Plane()


async def test_tokens_come_on_new_connections(scene: Scene, plane: Plane) -> None:
    workload = KeystoneToken(scene)
    await workload.open()
    plane.connections.clear()
    for number in range(5):
        await workload.request(Attempt(number, Phase.FAULT))
    await workload.close()
    assert len(plane.connections) == 5
    assert plane.bodies[-1]["auth"]["identity"]["methods"] == ["token"]  # type: ignore[index]
    assert "password" not in str(plane.bodies[-1])


async def test_reads_keep_their_connection(scene: Scene, plane: Plane) -> None:
    workload = KeystoneRead(scene)
    await workload.open()
    plane.connections.clear()
    for number in range(5):
        await workload.request(Attempt(number, Phase.FAULT))
    assert len(plane.connections) == 1
    plane.status = 401
    with pytest.raises(Refused, match="HTTP 401"):
        await workload.request(Attempt(5, Phase.FAULT))
    await workload.close()


async def test_an_answer_that_is_not_a_token_is_not_good(scene: Scene, plane: Plane) -> None:
    workload = KeystoneToken(scene)
    await workload.open()
    plane.status = 503
    with pytest.raises(Refused, match="HTTP 503"):
        await workload.request(Attempt(0, Phase.FAULT))
    await workload.close()


async def test_a_page_without_the_form_is_not_good(scene: Scene, plane: Plane) -> None:
    workload = HorizonPage(scene)
    await workload.open()
    await workload.request(Attempt(0, Phase.FAULT))
    plane.status = 1
    with pytest.raises(Refused, match="not the login page"):
        await workload.request(Attempt(1, Phase.FAULT))
    await workload.close()


async def test_a_server_that_the_ca_does_not_know_is_refused(scene: Scene, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.create()
    Pki(other).certificate("x", (), ("x",))
    stranger = Scene(**{**vars(scene), "ca_file": str(other.ca_file)})
    workload = HorizonPage(stranger)
    await workload.open()
    with pytest.raises(ClientConnectorCertificateError):
        await workload.request(Attempt(0, Phase.FAULT))
    await workload.close()


async def test_a_request_that_is_given_up_does_not_spoil_the_next(scene: Scene, plane: Plane) -> None:
    workload = KeystoneRead(scene)
    await workload.open()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await workload.request(Attempt(0, Phase.FAULT))
    await workload.request(Attempt(1, Phase.FAULT))
    await workload.close()
