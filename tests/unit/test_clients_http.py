"""The clients against real HTTP: ids of requests, consoles behind a WebSocket, objects, images."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web
from aiohttp.test_utils import TestServer

from quorate.errors import QuorateError
from quorate.services.clients import compute, images, objects
from quorate.services.clients.cloud import Cloud

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(*routes: tuple[str, str, Handler]) -> AsyncIterator[Cloud]:
    """A cloud that answers ``routes`` (method, path, handler), the same for every service."""
    app = web.Application()
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    async with TestServer(app) as server, ClientSession() as http:
        base = str(server.make_url("")).rstrip("/")
        catalogue = dict.fromkeys(("compute", "image", "object-store"), base)
        yield Cloud(http, "token", catalogue, "project", "user", {})


def answering(status: int, body: Any = None, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return answer


async def test_ids_of_requests_that_change_something_are_remembered_also_of_refused_ones() -> None:
    routes = (
        ("GET", "/x", answering(200, {}, x_openstack_request_id="req-get")),
        ("POST", "/x", answering(202, {}, x_openstack_request_id="req-post")),
        ("DELETE", "/x", answering(409, {"no": "in use"}, x_openstack_request_id="req-delete")),
    )
    async with serving(*routes) as cloud:
        await cloud.call("GET", "compute", "/x")
        await cloud.call("POST", "compute", "/x", {})
        with pytest.raises(QuorateError, match=r"answered 409: .*in use.* \(req-delete\)"):
            await cloud.call("DELETE", "compute", "/x")
        assert cloud.requests == ["req-post", "req-delete"]


async def test_a_request_that_is_not_answered_is_named() -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(("POST", "/x", cut)) as cloud:
        with pytest.raises(QuorateError, match=r"POST http://.*/x was not answered: ServerDisconnected"):
            await cloud.call("POST", "compute", "/x", {})


def console(greeting: bytes, seen: list[str]) -> tuple[tuple[str, str, Handler], ...]:
    async def made(request: web.Request) -> web.Response:
        url = f"http://{request.host}/vnc_auto.html?path=%3Ftoken%3Dsecret"
        return web.json_response({"remote_console": {"url": url}})

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<title>noVNC</title>")

    async def screen(request: web.Request) -> web.StreamResponse:
        seen.extend((request.query["token"], request.headers["Origin"]))
        socket = web.WebSocketResponse(protocols=("binary",))
        await socket.prepare(request)
        if greeting:
            await socket.send_bytes(greeting)
            assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        return socket

    return (
        ("POST", "/servers/s/remote-consoles", made),
        ("GET", "/vnc_auto.html", page),
        ("GET", "/", screen),
    )


async def test_a_console_is_opened_down_to_the_screens_greeting() -> None:
    seen: list[str] = []
    async with serving(*console(compute.BANNER, seen)) as cloud:
        said = await compute.screen(cloud, "s")
        assert seen == ["secret", cloud.catalogue["compute"]]
    assert "RFB 003.008" in said and "secret" not in said


@pytest.mark.parametrize(
    ("greeting", "error"), [(b"", "there is no screen"), (b"SSH-2.0-x\n", "greets with b'SSH-2.0-x")]
)
async def test_a_page_with_nothing_or_something_else_behind_it_is_no_console(
    greeting: bytes, error: str
) -> None:
    async with serving(*console(greeting, [])) as cloud:
        with pytest.raises(QuorateError, match=error) as caught:
            await compute.screen(cloud, "s")
    assert "secret" not in str(caught.value)


async def test_an_object_is_compared_with_what_was_stored() -> None:
    kept: dict[str, bytes] = {}

    async def put(request: web.Request) -> web.Response:
        kept[request.path] = body = await request.read()
        tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return web.Response(status=201, headers={"Etag": tag})

    async def get(request: web.Request) -> web.Response:
        return web.Response(body=kept[request.path], content_type="application/octet-stream")

    async with serving(("PUT", "/{path:.+}", put), ("GET", "/{path:.+}", get)) as cloud:
        content = objects.content()
        await objects.store(cloud, "c", "o", content)
        await objects.compare(cloud, "c", "o", content)
        kept["/c/o"] = b"?" * len(content)
        with pytest.raises(QuorateError, match="another content"):
            await objects.compare(cloud, "c", "o", content)


async def test_a_container_goes_with_what_is_in_it_and_an_account_that_never_was_is_empty() -> None:
    kept = {"a b", "c"}

    async def names(request: web.Request) -> web.Response:
        return web.json_response([{"name": name} for name in sorted(kept)], status=200)

    async def drop(request: web.Request) -> web.Response:
        kept.remove(request.match_info["name"])
        return web.Response(status=204)

    async def container(_: web.Request) -> web.Response:
        return web.Response(status=409 if kept else 204)

    routes: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "/c", names),
        ("DELETE", "/c/{name}", drop),
        ("DELETE", "/c", container),
        ("GET", "/", answering(404)),
    )
    async with serving(*routes) as cloud:
        assert await objects.empty(cloud, "c") == 2 and not kept
        assert await objects.containers(cloud) == []


async def test_an_image_that_was_given_up_is_told_at_once() -> None:
    async with serving(("GET", "/v2/images/i", answering(200, {"status": "killed"}))) as cloud:
        with pytest.raises(QuorateError, match="is killed"):
            await images.ready(cloud, "i")


async def test_only_the_projects_own_images_are_its() -> None:
    listed = [{"id": "mine", "owner": "p"}, {"id": "public", "owner": "admin"}]
    async with serving(("GET", "/v2/images", answering(200, {"images": listed}))) as cloud:
        assert await images.owned(cloud, "p") == ["mine"]


async def test_the_smallest_flavor_that_will_do() -> None:
    flavors = [
        {"id": str(ram), "name": f"f{ram}", "ram": ram, "vcpus": 1, "disk": 1} for ram in (512, 64, 128)
    ]
    async with serving(("GET", "/flavors/detail", answering(200, {"flavors": flavors}))) as cloud:
        assert await compute.smallest_flavor(cloud, memory_mib=100) == ("128", "f128")
        with pytest.raises(QuorateError, match="none of 3 flavors has 1024 MiB"):
            await compute.smallest_flavor(cloud, memory_mib=1024)
