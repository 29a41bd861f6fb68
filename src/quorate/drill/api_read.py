"""What reading from any API of the cloud has in common; each API is a workload of its own, and short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import aiohttp

from quorate.drill import budgets
from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import Refused, base_url, login, session


class ApiRead(Workload):
    """GET of a short list that only the database can tell, on connections that are kept.

    The token was issued before the fault, so the service has to have it confirmed by Keystone or a cache all
    along. aiohttp sends a GET again by itself when a kept connection turns out to be closed, as HTTP clients
    do (RFC 9110, 9.2.2).

    Attributes:
        path: with ``{project}`` where the id of the project belongs.
        key: of the list in what is answered.
        headers: sent along.
    """

    path: ClassVar[str]
    key: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}
    rate_hz = 1.5
    deadline_s = 2.0

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._client: aiohttp.ClientSession | None = None
        self._url, self._token = "", ""

    def budget(self, fault: str, service: str) -> float | None:
        """Any one node may be lost."""
        return budgets.of_cloud(fault, service, self.name, self.service)

    async def open(self) -> None:
        """Log in once."""
        self._token, project = await login(self.scene)
        self._url = base_url(self.scene, self.service) + self.path.format(project=project)
        self._client = session(self.scene, keep=True)

    async def request(self, attempt: Attempt) -> None:
        """One list."""
        assert self._client is not None
        headers = {"X-Auth-Token": self._token, "Accept": "application/json", **self.headers}
        async with self._client.get(self._url, headers=headers, trace_request_ctx=attempt) as answer:
            await answer.read()
            if answer.status != 200:
                raise Refused(f"HTTP {answer.status}")
            if self.key not in await answer.json():
                raise Refused(f"not a list of {self.key}")

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()
