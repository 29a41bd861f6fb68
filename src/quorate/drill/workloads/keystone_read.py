"""Read from Keystone with a token, on kept connections: what the services of a cloud do all day."""

from __future__ import annotations

import aiohttp

from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import Refused, base_url, login, session


class KeystoneRead(Workload):
    """GET /v3/projects/{id} on connections that are kept; one that died is replaced at the next request.

    The token was issued before the fault: it has to stay valid, so a 401 is a false answer. aiohttp sends a
    GET again by itself when a kept connection turns out to be closed, as HTTP clients do (RFC 9110, 9.2.2).
    """

    name = "keystone-read"
    summary = "reads its project, on kept connections"
    service = "keystone"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._client: aiohttp.ClientSession | None = None
        self._url, self._token = "", ""

    async def open(self) -> None:
        """Log in once."""
        self._token, project = await login(self.scene)
        self._url = f"{base_url(self.scene, self.service)}/v3/projects/{project}"
        self._client = session(self.scene, keep=True)

    async def request(self, attempt: Attempt) -> None:
        """One read."""
        assert self._client is not None
        headers = {"X-Auth-Token": self._token}
        async with self._client.get(self._url, headers=headers, trace_request_ctx=attempt) as answer:
            await answer.read()
            if answer.status != 200:
                raise Refused(f"HTTP {answer.status}")

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()


WORKLOAD = KeystoneRead
