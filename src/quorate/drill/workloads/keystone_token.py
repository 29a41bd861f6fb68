"""Ask Keystone for a token, on a new connection each time.

The tokens are asked for with a token (method ``token``: rescoping, Identity API v3): that goes through
HAProxy, Keystone, its cache and the database like a login, without the 0.2 s of processor time that checking
a password costs on purpose. `keystone_password` does that, slowly.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import ask_token, base_url, login, session


class KeystoneToken(Workload):
    """New connection, TLS, POST /v3/auth/tokens, good is 201 with a token."""

    name = "keystone-token"
    summary = "asks for a token, on a new connection each time"
    service = "keystone"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._client: aiohttp.ClientSession | None = None
        self._url, self._body = base_url(scene, self.service), dict[str, Any]()

    async def open(self) -> None:
        """Log in once, for the token that every request starts from."""
        token, project = await login(self.scene)
        self._body = {
            "auth": {
                "identity": {"methods": ["token"], "token": {"id": token}},
                "scope": {"project": {"id": project}},
            }
        }
        self._client = session(self.scene, keep=False)

    async def request(self, attempt: Attempt) -> None:
        """One token."""
        assert self._client is not None
        await ask_token(self._client, self._url, self._body, attempt)

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()


WORKLOAD = KeystoneToken
