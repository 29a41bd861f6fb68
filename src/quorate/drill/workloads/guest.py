"""Ask servers of the drill's own: over their floating IPs, and for their consoles through Nova."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiohttp

from quorate.drill import budgets, guests
from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.guests import Guest, Guests
from quorate.drill.http import Refused, base_url, login, session

GATEWAY_SERVICES = frozenset({"ovn"})
"""What a floating IP needs on its way. Not Neutron: what is set up goes on without it."""


class GuestPage(Workload):
    """GET of a page that the server itself answers, on a new connection each time."""

    name = "guest"
    summary = "fetches a page from servers of the drill's own on their floating IPs, new connection each time"
    service = "nova-compute"
    rate_hz = 3.0

    def __init__(self, scene: Scene, role: str = "guest", shared: Guests | None = None) -> None:
        super().__init__(scene)
        self.name = role
        self._guests = shared or Guests(scene)
        self._guest: Guest | None = None
        self._client: aiohttp.ClientSession | None = None
        # One that is lost with its host has nothing to be held against, and need not come back by itself.
        self.judged = role != "guest-host"

    @classmethod
    def make(cls, scene: Scene) -> Sequence[GuestPage]:
        """One for each server, and one that asks for a console."""
        if not guests.possible(scene):
            return ()
        shared = Guests(scene)
        roles = tuple(guests.places(scene))
        console = (GuestConsole(scene, "guest-console", shared),) if "guest" in roles else ()
        return (*(cls(scene, role, shared) for role in roles), *console)

    def budget(self, fault: str, service: str) -> float | None:
        """Who does not go through the victim has to notice nothing, whatever is lost."""
        if fault == "blackout":
            return budgets.BLACKOUT_S
        if self.name == "guest-gateway" and (fault in budgets.LOST or service in GATEWAY_SERVICES):
            return budgets.CLOUD_LOST_S
        return budgets.BYSTANDER_S if fault != "bmc-lying" else None

    async def open(self) -> None:
        """Wait for the server."""
        self._guest = (await self._guests.ready())[self.name]
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))

    async def request(self, attempt: Attempt) -> None:
        """One page."""
        assert self._client is not None and self._guest is not None
        async with self._client.get(f"http://{self._guest.address}/") as answer:
            await answer.read()
            if answer.status != 200:
                raise Refused(f"HTTP {answer.status}")

    async def afterwards(self) -> Mapping[str, object]:
        """What Nova says of the server, and whether it lives the life that it lived before."""
        if self._guest is None:
            return {}
        lost = guests.hits(self.scene, self._guest)
        return {"guest": await self._guests.now(self._guest) | {"lost": lost, "gateway": self._guest.gateway}}

    async def close(self) -> None:
        """End the client, and delete all the servers."""
        if self._client is not None:
            await self._client.close()
        await self._guests.gone()


class GuestConsole(GuestPage):
    """POST that reads a line of a server's console: Nova's API, the broker, a compute, and all the way back.

    The shortest way through the services' own messages that there is. A call that is lost with a broker or a
    connection to it shows here.
    """

    service = "nova"
    rate_hz = 1.0
    deadline_s = 3.0

    def __init__(self, scene: Scene, role: str = "guest-console", shared: Guests | None = None) -> None:
        super().__init__(scene, role, shared)
        self._token, self._url = "", ""

    def budget(self, fault: str, service: str) -> float | None:
        """As an API of the cloud."""
        return budgets.of_cloud(fault, service, "guest-console", "nova")

    async def open(self) -> None:
        """Wait for the server, and log in."""
        self._guest = (await self._guests.ready())["guest"]
        self._token, _ = await login(self.scene)
        self._client = session(self.scene, keep=True)
        self._url = f"{base_url(self.scene, 'nova')}/v2.1/servers/{self._guest.server}/action"

    async def request(self, attempt: Attempt) -> None:
        """One line."""
        assert self._client is not None
        headers = {"X-Auth-Token": self._token}
        body = {"os-getConsoleOutput": {"length": 1}}
        async with self._client.post(
            self._url, json=body, headers=headers, trace_request_ctx=attempt
        ) as answer:
            await answer.read()
            if answer.status != 200:
                raise Refused(f"HTTP {answer.status}")

    async def afterwards(self) -> Mapping[str, object]:
        """Said by `GuestPage` already."""
        return {}


WORKLOAD = GuestPage
