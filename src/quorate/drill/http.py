"""HTTP for workloads: TLS checked against the cluster's CA, errors that name the status."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp

from quorate.drill.contract import Attempt, Scene
from quorate.errors import DrillError
from quorate.secrets.store import Secret


class Refused(Exception):
    """An answer, but not a good one."""


def base_url(scene: Scene, service: str) -> str:
    """https://VIP:port of a service's first front end."""
    return f"https://{scene.vips[service]}:{scene.ports[service]}"


def session(scene: Scene, *, keep: bool) -> aiohttp.ClientSession:
    """A client that trusts the cluster's CA and nothing else.

    Args:
        keep: keep connections open between requests; otherwise each request makes a new one, TLS and all.
    """
    traces = aiohttp.TraceConfig()
    traces.on_connection_create_start.append(_connecting)
    traces.on_connection_create_end.append(_connected)
    traces.on_connection_reuseconn.append(_connected)
    trusted = ssl.create_default_context(cafile=scene.ca_file)
    connector = aiohttp.TCPConnector(ssl=trusted, force_close=not keep, limit=0, ttl_dns_cache=None)
    jar = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(connector=connector, cookie_jar=jar, trace_configs=[traces])


async def _connecting(client: aiohttp.ClientSession, context: Any, params: object) -> None:
    _note(context, "connecting")


async def _connected(client: aiohttp.ClientSession, context: Any, params: object) -> None:
    _note(context, "connected")


def _note(context: Any, stage: str) -> None:
    attempt = context.trace_request_ctx
    if isinstance(attempt, Attempt):
        attempt.stage = stage


def password_login(user: str, password: Secret, project: str) -> dict[str, Any]:
    """The body that asks for a project-scoped token (Identity API v3, POST /v3/auth/tokens)."""
    domain = {"name": "Default"}
    return {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": str(password)}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }


async def ask_token(
    client: aiohttp.ClientSession, url: str, body: dict[str, Any], attempt: Attempt
) -> tuple[str, dict[str, Any]]:
    """A token, and what it says. Raises Refused unless the answer is 201 with a token."""
    async with client.post(
        f"{url}/v3/auth/tokens", json=body, allow_redirects=False, trace_request_ctx=attempt
    ) as answer:
        text = await answer.read()
        if answer.status != 201:
            raise Refused(f"HTTP {answer.status} {text[:80].decode(errors='replace')}")
        said: dict[str, Any] = (await answer.json())["token"]
        return answer.headers["X-Subject-Token"], said


async def login(scene: Scene) -> tuple[str, str]:
    """A token of the cluster's admin, and the id of its project.

    Raises:
        DrillError: Keystone does not let it in.
    """
    body = password_login("admin", scene.secrets.password("keystone-admin"), "admin")
    try:
        async with session(scene, keep=False) as client:
            client_timeout = aiohttp.ClientTimeout(total=10)
            async with client.post(
                f"{base_url(scene, 'keystone')}/v3/auth/tokens", json=body, timeout=client_timeout
            ) as answer:
                if answer.status != 201:
                    raise Refused(f"HTTP {answer.status}")
                said = await answer.json()
                return answer.headers["X-Subject-Token"], said["token"]["project"]["id"]
    except (aiohttp.ClientError, OSError, TimeoutError, Refused) as error:
        raise DrillError(
            "no token for the drill's client",
            where=base_url(scene, "keystone"),
            evidence=f"{type(error).__name__}: {error}",
            next_step="./quorate verify",
        ) from error
