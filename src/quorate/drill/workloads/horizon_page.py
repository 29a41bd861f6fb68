"""Fetch Horizon's login page, on a new connection each time."""

from __future__ import annotations

import aiohttp

from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import Refused, base_url, session

PATH = "/horizon/auth/login/"


class HorizonPage(Workload):
    """GET of the login page; good is 200 with its form in it."""

    name = "horizon-page"
    summary = "fetches the dashboard's login page, on a new connection each time"
    service = "horizon"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        # Beside the clients of a whole cloud it is one of many, and a page costs much.
        self.rate_hz = 2.0 if "nova" in scene.services else 4.0
        self._client: aiohttp.ClientSession | None = None
        self._url = base_url(scene, self.service) + PATH

    async def open(self) -> None:
        """Nothing but a client."""
        self._client = session(self.scene, keep=False)

    async def request(self, attempt: Attempt) -> None:
        """One page."""
        assert self._client is not None
        async with self._client.get(self._url, allow_redirects=False, trace_request_ctx=attempt) as answer:
            page = await answer.read()
            if answer.status != 200:
                raise Refused(f"HTTP {answer.status}")
            if b"csrfmiddlewaretoken" not in page:
                raise Refused("not the login page")

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()


WORKLOAD = HorizonPage
