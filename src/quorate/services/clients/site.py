"""A service of the user's own, as a client outside uses it: a page, or a connection."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.identity import trust

PATIENCE = aiohttp.ClientTimeout(total=5)
"""A page is one round trip: one that takes longer is as good as none."""


async def get(outside: Outside, url: str) -> str:
    """GET ``url``; returns what came. Raises QuorateError where that is 400 or more."""
    secure = url.startswith("https:")
    connector = aiohttp.TCPConnector(ssl=trust(outside)) if secure else aiohttp.TCPConnector()
    begun = time.monotonic()
    async with (
        aiohttp.ClientSession(timeout=PATIENCE, connector=connector) as client,
        client.get(url, allow_redirects=False) as page,
    ):
        body = await page.read()
    if page.status >= 400:
        text = body.decode(errors="replace")
        raise QuorateError(f"it was answered with {page.status}", where=url, evidence=text[:500])
    return f"{url}: {page.status}, {len(body)} bytes, {1000 * (time.monotonic() - begun):.0f} ms"


async def connect(host: str, port: int) -> str:
    """Connect and let go. Raises OSError where nobody takes the connection."""
    begun = time.monotonic()
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()
    return f"{host}:{port} takes connections, {1000 * (time.monotonic() - begun):.0f} ms"
