"""Log in with a password, seldom: the whole of a login, with the password check that is slow on purpose."""

from __future__ import annotations

import aiohttp

from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import ask_token, base_url, password_login, session


class KeystonePassword(Workload):
    """New connection, POST /v3/auth/tokens, a password. Too seldom to time an outage: only errors count."""

    name = "keystone-password"
    summary = "logs in with a password, once in five seconds"
    service = "keystone"
    rate_hz = 0.2
    deadline_s = 3.0
    judged = False

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._client: aiohttp.ClientSession | None = None
        self._url = base_url(scene, self.service)
        self._body = password_login("admin", scene.secrets.password("keystone-admin"), "admin")

    async def open(self) -> None:
        """Nothing but a client."""
        self._client = session(self.scene, keep=False)

    async def request(self, attempt: Attempt) -> None:
        """One login."""
        assert self._client is not None
        await ask_token(self._client, self._url, self._body, attempt)

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()


WORKLOAD = KeystonePassword
