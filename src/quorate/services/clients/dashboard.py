"""Horizon, as a browser uses it: the form with its CSRF token, cookies, and pages behind the log-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import aiohttp
from yarl import URL

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.identity import ACCOUNT, ADMIN_SECRET, TIMEOUT, expect, trust

SERVICE = "horizon"
LOGIN, INSIDE = "/horizon/auth/login/", "/horizon/identity/"
TOKEN = re.compile(r'name=["\']csrfmiddlewaretoken["\'] value=["\']([^"\']+)["\']')
REGION = re.compile(r'name=["\']region["\'][^>]*value=["\']([^"\']*)["\']|<option value="([^"]*)"')
COOKIE = "sessionid"


async def _log_in(client: aiohttp.ClientSession, outside: Outside) -> str:
    """Log in as ``admin``; returns who answered. Raises QuorateError."""
    base = f"https://{outside.vips[SERVICE]}"
    async with client.get(base + LOGIN) as page:
        await expect(page, 200)
        form = await page.text()
    found = TOKEN.search(form)
    if found is None:
        raise QuorateError("the log-in page has no form", where=base + LOGIN)
    region = REGION.search(form)
    fields = {
        "csrfmiddlewaretoken": found[1],
        "username": ACCOUNT,
        "password": str(outside.secrets.password(ADMIN_SECRET)),
        "region": (region[1] or region[2] or "default") if region else "default",
    }
    async with client.post(
        base + LOGIN, data=fields, headers={"Referer": base + LOGIN}, allow_redirects=False
    ) as answer:
        if answer.status != 302:
            raise QuorateError(f"the log-in was answered with {answer.status}, not with a way in", where=base)
        served = answer.headers.get("X-Served-By", "?")
    if not any(cookie.key == COOKIE for cookie in client.cookie_jar):
        raise QuorateError("no session came with the log-in", where=base)
    return served


async def log_in(outside: Outside) -> str:
    """Log in through the virtual IP and open a page that only who is logged in may see."""
    async with _browser(outside) as client:
        served = await _log_in(client, outside)
        async with client.get(f"https://{outside.vips[SERVICE]}{INSIDE}") as page:
            await expect(page, 200)
            if ACCOUNT not in await page.text():
                raise QuorateError("the page behind the log-in does not name who is logged in")
    return f"logged in on {served}"


async def same_session_everywhere(outside: Outside, nodes: Mapping[str, str], port: int) -> str:
    """Log in through the virtual IP, then show that session to every controller itself.

    Args:
        outside: the client's view.
        nodes: name to cluster address.
        port: of Horizon on a controller. What HAProxy would say about TLS is said here in its place.
    """
    async with _browser(outside) as client:
        served = await _log_in(client, outside)
        cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in client.cookie_jar)

        async def visit(node: str, address: str) -> str:
            url = URL(f"http://{address}:{port}{INSIDE}")
            headers = {"Cookie": cookies, "X-Forwarded-Proto": "https", "Host": outside.vips[SERVICE]}
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as direct,
                direct.get(url, headers=headers, allow_redirects=False) as page,
            ):
                if page.status == 302 and "login" in page.headers.get("Location", ""):
                    raise QuorateError(f"asks to log in again, after a log-in on {served}", where=node)
                if page.status >= 400:
                    await expect(page, 200)
                return page.headers.get("X-Served-By", node)

        seen = await asyncio.gather(*(visit(node, address) for node, address in nodes.items()))
    return f"logged in on {served}, went on on {', '.join(seen)}"


def _browser(outside: Outside) -> aiohttp.ClientSession:
    # The virtual IP is an address, not a name: a browser keeps its cookies all the same.
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(ssl=trust(outside))
    return aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=jar)
