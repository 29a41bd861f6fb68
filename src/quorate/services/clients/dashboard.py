"""Horizon, as a browser uses it: the form with its CSRF token, cookies, and pages behind the log-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import aiohttp
from yarl import URL

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.cloud import Who, admin
from quorate.services.clients.identity import ACCOUNT, expect, trust

SERVICE = "horizon"
LOGIN, INSIDE = "/horizon/auth/login/", "/horizon/identity/"
TOKEN = re.compile(r'name=["\']csrfmiddlewaretoken["\'] value=["\']([^"\']+)["\']')
REGION = re.compile(r'name=["\']region["\'][^>]*value=["\']([^"\']*)["\']|<option value="([^"]*)"')
COOKIE = "sessionid"
RECENT = "recent_project"
"""The cookie by which a browser tells where its user last was (openstack_auth/backend.py)."""
COOKIE_BYTES = 4096
"""What a browser keeps of one cookie with its name (RFC 6265, 6.1): a longer one it drops without a word."""
TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)
"""A page asks several services, one after the other; mod_wsgi gives up after 60 s."""


def url(outside: Outside, path: str) -> str:
    """``path`` ("/project/") of the dashboard, as a browser addresses it."""
    return f"https://{outside.vips[SERVICE]}/horizon{path}"


def browser(outside: Outside) -> aiohttp.ClientSession:
    """A browser with no cookies yet, which trusts the cluster's CA only."""
    # The virtual IP is an address, not a name: a browser keeps its cookies all the same.
    jar = aiohttp.CookieJar(unsafe=True)
    connector = aiohttp.TCPConnector(ssl=trust(outside))
    return aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, cookie_jar=jar)


async def enter(
    client: aiohttp.ClientSession, outside: Outside, who: Who | None = None, *, project_id: str = ""
) -> str:
    """Log in, as ``admin`` where nobody is named; returns which controller answered.

    Args:
        client: the browser.
        outside: where the cloud is.
        who: whose account.
        project_id: the project to work in; where none is named, Horizon takes any of the account's.

    Raises:
        QuorateError: there is no form, it does not let in, or no browser would keep the session.
    """
    who = who or admin(outside)
    base = f"https://{outside.vips[SERVICE]}"
    async with client.get(base + LOGIN) as page:
        await expect(page, 200)
        form = await page.text()
    if project_id:
        client.cookie_jar.update_cookies({RECENT: project_id}, URL(base))
    found = TOKEN.search(form)
    if found is None:
        raise QuorateError("the log-in page has no form", where=base + LOGIN)
    region = REGION.search(form)
    fields = {
        "csrfmiddlewaretoken": found[1],
        "username": who.user,
        "password": who.password,
        "region": (region[1] or region[2] or "default") if region else "default",
    }
    async with client.post(
        base + LOGIN, data=fields, headers={"Referer": base + LOGIN}, allow_redirects=False
    ) as answer:
        if answer.status != 302:
            raise QuorateError(f"the log-in was answered with {answer.status}, not with a way in", where=base)
        served = answer.headers.get("X-Served-By", "?")
    session = next((cookie for cookie in client.cookie_jar if cookie.key == COOKIE), None)
    if session is None:
        raise QuorateError("no session came with the log-in", where=base)
    if (size := len(COOKIE) + len(session.value)) > COOKIE_BYTES:
        raise QuorateError(
            f"the session's cookie has {size} bytes, and browsers keep {COOKIE_BYTES}",
            where=base,
            next_step="set services.horizon.options.sessions to memcached in cluster.yaml and apply it",
        )
    return served


async def log_in(outside: Outside) -> str:
    """Log in through the virtual IP and open a page that only who is logged in may see."""
    async with browser(outside) as client:
        served = await enter(client, outside)
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
    async with browser(outside) as client:
        served = await enter(client, outside)
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
