"""OpenStack, as a tenant outside uses it: one token, the catalogue's URLs, a deadline on everything.

A call that is not answered as it should be raises with what an operator needs to find it in the logs: method,
URL, status, the service's own words and its request id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients import identity

Json = dict[str, Any]
PATIENCE = aiohttp.ClientTimeout(total=60, connect=5)
"""For each request. What it is part of has a deadline of its own."""
GOOD = (200, 201, 202, 204)
"""Statuses that are as they should be, where a call says no others."""


@dataclass(frozen=True)
class Who:
    """An account and the project that it works in, both in the default domain."""

    user: str
    password: str
    project: str


def admin(outside: Outside) -> Who:
    """The account ``admin``, in its project."""
    password = str(outside.secrets.password(identity.ADMIN_SECRET))
    return Who(identity.ACCOUNT, password, identity.ACCOUNT)


@dataclass(frozen=True)
class Cloud:
    """One account's view of the cloud.

    Args:
        http: the connection pool; trusts the cluster's CA only.
        token: good for `who`.
        catalogue: service type ("image") to the URL of its public interface.
        project_id: of the project that the token is for.
        user_id: of the account.
        headers: sent with every call, besides the token.
        requests: ids of the requests that changed something, as they were answered: for the logs.
    """

    http: aiohttp.ClientSession
    token: str
    catalogue: Mapping[str, str]
    project_id: str
    user_id: str
    headers: Mapping[str, str]
    requests: list[str] = field(default_factory=list)

    def version(self, **headers: str) -> Cloud:
        """The same, with more headers on every call: ``version(OpenStack_API_Version="compute 2.90")``."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})

    def url(self, service: str, path: str) -> str:
        """``path`` of the service of type ``service``. Raises QuorateError where the catalogue lacks it."""
        if service not in self.catalogue:
            there = ", ".join(sorted(self.catalogue)) or "nothing"
            raise QuorateError(f"the catalogue has no service of type {service!r}; it has {there}")
        return self.catalogue[service].rstrip("/") + path

    async def call(
        self,
        method: str,
        service: str,
        path: str,
        body: Json | bytes | None = None,
        *,
        good: tuple[int, ...] = GOOD,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Json:
        """One request; hands back the JSON that was answered, {} where the answer has none.

        Args:
            service: its type in the catalogue.
            body: sent as JSON; bytes are sent as they are.
            good: statuses that are as they should be.
            headers: of this call alone.
            timeout_s: deadline where that of all calls is too short, as for content.

        Raises:
            QuorateError: another status; its text names the request id. Or there was no answer.
        """
        raw = await self.raw(method, service, path, body, good=good, headers=headers, timeout_s=timeout_s)
        return await raw.json() if raw.content_type == "application/json" else {}

    async def raw(
        self,
        method: str,
        service: str,
        path: str,
        body: Json | bytes | None = None,
        *,
        good: tuple[int, ...] = GOOD,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> aiohttp.ClientResponse:
        """As `call`, handing back the answer itself, read to its end."""
        url = self.url(service, path)
        sent = {"X-Auth-Token": self.token, "Accept": "application/json", **self.headers, **(headers or {})}
        payload: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        if isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/octet-stream")
        if timeout_s is not None:
            payload["timeout"] = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self.http.request(method, url, headers=sent, **payload) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = " ".join(f"{type(error).__name__} {error}".split())
            raise QuorateError(f"{method} {url} was not answered: {reason}") from error
        if method not in ("GET", "HEAD"):
            self.requests.extend(filter(None, [_request_id(answer)]))
        if answer.status not in good:
            known = f" ({_request_id(answer)})" if _request_id(answer) else ""
            raise QuorateError(f"{method} {url} answered {answer.status}: {await _said(answer)}{known}")
        return answer


async def _said(answer: aiohttp.ClientResponse) -> str:
    return " ".join((await answer.text(errors="replace")).split())[:300] or "nothing"


def _request_id(answer: aiohttp.ClientResponse) -> str:
    for name in ("x-openstack-request-id", "x-compute-request-id", "x-trans-id"):
        if name in answer.headers:
            return answer.headers[name]
    return ""


@asynccontextmanager
async def login(outside: Outside, who: Who | None = None) -> AsyncIterator[Cloud]:
    """Log in, as ``admin`` where nobody else is named.

    Raises:
        QuorateError: Keystone does not issue a token.
    """
    who = who or admin(outside)
    domain = {"id": "default"}
    user = {"name": who.user, "domain": domain, "password": who.password}
    methods = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": methods, "scope": {"project": {"name": who.project, "domain": domain}}}}
    async with identity.session(outside, keep=False, timeout=PATIENCE) as http:
        async with http.post(identity.url(outside, "/auth/tokens"), json=body) as answer:
            await identity.expect(answer, 201)
            issued = (await answer.json())["token"]
            token = answer.headers["X-Subject-Token"]
        catalogue = {
            entry["type"]: endpoint["url"]
            for entry in issued.get("catalog", ())
            for endpoint in entry["endpoints"]
            if endpoint["interface"] == "public"
        }
        yield Cloud(http, token, catalogue, issued["project"]["id"], issued["user"]["id"], {})


async def until(
    what: str,
    look: Callable[[], Awaitable[tuple[bool, str]]],
    within_s: float,
    every_s: float = 0.5,
) -> str:
    """Look again and again until it is as it should be; hands back what was seen last.

    Args:
        what: what is waited for, for the error.
        look: whether it is so, and what was seen. What it raises ends the waiting.
        within_s: deadline, seconds.
        every_s: between two looks, seconds.

    Raises:
        QuorateError: it was not so in time; says what was seen last.
    """
    ends = time.monotonic() + within_s
    while True:
        so, seen = await look()
        if so:
            return seen
        if time.monotonic() > ends:
            raise QuorateError(f"{what}: not within {within_s:g} s; seen last: {seen}")
        await asyncio.sleep(every_s)
