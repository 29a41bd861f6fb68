"""Keystone, as a client outside uses it: through the virtual IP, its certificate checked."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from quorate.errors import QuorateError
from quorate.services.base import Outside

TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
GONE_S = 65.0
"""While controllers disagree on which memcached lives, a cache may serve what was deleted, but not for longer
than its expiration of 60 s (docs/decisions/0008-short-caches.md)."""
SERVICE, PORT, ACCOUNT, ADMIN_SECRET = "keystone", 5000, "admin", "keystone-admin"


def trust(outside: Outside) -> ssl.SSLContext:
    """Trusts the cluster's CA only, and checks names."""
    return ssl.create_default_context(cafile=outside.ca_file)


def url(outside: Outside, path: str) -> str:
    """``path`` ("/projects") of the identity API, as a client addresses it."""
    return f"https://{outside.vips[SERVICE]}:{PORT}/v3{path}"


def credentials(outside: Outside) -> dict[str, Any]:
    """What ``POST /v3/auth/tokens`` takes: the account ``admin`` by password, in its project."""
    domain = {"id": "default"}
    user = {"name": ACCOUNT, "domain": domain, "password": str(outside.secrets.password(ADMIN_SECRET))}
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": {"name": ACCOUNT, "domain": domain}}}}


async def expect(answer: aiohttp.ClientResponse, status: int) -> None:
    """Raises QuorateError with what was answered, where it is not ``status``."""
    if answer.status != status:
        said = (await answer.text())[:300]
        raise QuorateError(
            f"{answer.method} {answer.url.path} answered {answer.status}, not {status}", evidence=said
        )


@asynccontextmanager
async def session(
    outside: Outside, *, keep: bool = True, timeout: aiohttp.ClientTimeout = TIMEOUT
) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client with a deadline on everything.

    Args:
        outside: where the cloud is.
        keep: connections for the next request. Where HAProxy cannot serve the first request of a connection
            it says why; one that comes later is cut off without a word (HAProxy, http_return_srv_error).
        timeout: for each request.
    """
    connector = aiohttp.TCPConnector(ssl=trust(outside), force_close=not keep)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
        yield client


async def token(client: aiohttp.ClientSession, outside: Outside) -> str:
    """A new token of the account ``admin``."""
    async with client.post(url(outside, "/auth/tokens"), json=credentials(outside)) as answer:
        await expect(answer, 201)
        return answer.headers["X-Subject-Token"]


async def issue_token(outside: Outside) -> str:
    """Issue a token by password, and have Keystone confirm it."""
    async with session(outside) as client:
        started = time.monotonic()
        issued = await token(client, outside)
        seconds = time.monotonic() - started
        headers = {"X-Auth-Token": issued, "X-Subject-Token": issued}
        async with client.get(url(outside, "/auth/tokens"), headers=headers) as answer:
            await expect(answer, 200)
            name = (await answer.json())["token"]["user"]["name"]
    return f"token for {name} in {seconds:.2f} s, confirmed"


async def list_projects(outside: Outside) -> str:
    """List all projects; ``admin`` has to be among them."""
    async with session(outside) as client:
        headers = {"X-Auth-Token": await token(client, outside)}
        async with client.get(url(outside, "/projects"), headers=headers) as answer:
            await expect(answer, 200)
            names = [project["name"] for project in (await answer.json())["projects"]]
    if ACCOUNT not in names:
        raise QuorateError(f"no project {ACCOUNT!r} among {len(names)}")
    return f"{len(names)} project{'s' if len(names) != 1 else ''}, among them {ACCOUNT}"


async def create_and_delete_project(outside: Outside) -> str:
    """Make a project, read it, remove it, and see that it is gone."""
    name = f"quorate-verify-{secrets.token_hex(4)}"
    async with session(outside) as client:
        headers = {"X-Auth-Token": await token(client, outside)}
        body = {"project": {"name": name, "description": "made and removed by quorate verify"}}
        async with client.post(url(outside, "/projects"), json=body, headers=headers) as answer:
            await expect(answer, 201)
            path = f"/projects/{(await answer.json())['project']['id']}"
        try:
            async with client.get(url(outside, path), headers=headers) as answer:
                await expect(answer, 200)
        finally:
            async with client.delete(url(outside, path), headers=headers) as answer:
                await expect(answer, 204)
        seconds = await _gone(client, url(outside, path), headers)
    return f"{name} made, read and removed, gone after {seconds:.1f} s"


async def _gone(client: aiohttp.ClientSession, where: str, headers: dict[str, str]) -> float:
    """Seconds until ``where`` answers 404. Raises QuorateError where a cache keeps it for too long."""
    started = time.monotonic()
    while True:
        async with client.get(where, headers=headers) as answer:
            seconds = time.monotonic() - started
            if answer.status == 404 or seconds > GONE_S:
                await expect(answer, 404)
                return seconds
        await asyncio.sleep(0.5)
