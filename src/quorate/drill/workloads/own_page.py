"""Fetch the page of each service of the user's own that proves itself over HTTP, through its virtual IP."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp

from quorate.drill import budgets
from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import Refused, session
from quorate.spec.model import Mode, ServiceSpec
from quorate.spec.own import health_of, mode_of

PATIENT_S = 5.0
"""A client that waits this long sees a planned move as one slow answer: a connection that is not answered is
asked for again after 1 s and after 3 s (RFC 6298, 2.1 and 5.5)."""


class OwnPage(Workload):
    """GET of the path of its health check, on a new connection each time; good is below 400.

    There are two for each service: one that gives up after a second, which times outages, and one that waits,
    of which a planned move may not fail a single request.
    """

    name = "own-page"
    summary = "fetches the page of each service of the user's own, on a new connection each time"
    service = "own"

    def __init__(self, scene: Scene, service: str = "", *, patient: bool = False) -> None:
        super().__init__(scene)
        self.service, self.name = service, f"{service}-patient" if patient else service
        self._patient = patient
        if patient:
            self.deadline_s, self.rate_hz = PATIENT_S, 5.0
        self._client: aiohttp.ClientSession | None = None
        self._url = _url(scene, service)

    @classmethod
    def make(cls, scene: Scene) -> Sequence[OwnPage]:
        """Two for each service with a virtual IP and an HTTP check."""
        asked = [name for name, spec in scene.own.items() if _page(spec) and name in scene.vips]
        return tuple(cls(scene, name, patient=patient) for name in asked for patient in (False, True))

    def budget(self, fault: str, service: str) -> float | None:
        """By the mode and the monitor interval of its service; who waits is judged in a planned move only."""
        hit = service == self.service
        if self._patient:
            return 0.0 if fault == "move" and hit else None
        if self.waits:
            return None
        health = health_of(self.scene.own[self.service])
        interval_s = float(health.interval_s) if health else 0.0
        return budgets.of_own(fault, hit=hit, shared=self._one_node, interval_s=interval_s)

    @property
    def _one_node(self) -> bool:
        return mode_of(self.scene.own[self.service]) is Mode.ACTIVE_PASSIVE

    @property
    def waits(self) -> bool:
        """It is on the victim, on one node at a time, and nobody will know that the victim is off."""
        return self.scene.unfenceable and self._one_node and self.service in self.scene.held

    async def open(self) -> None:
        """Nothing but a client."""
        self._client = session(self.scene, keep=False)

    async def request(self, attempt: Attempt) -> None:
        """One page."""
        assert self._client is not None
        async with self._client.get(self._url, allow_redirects=False, trace_request_ctx=attempt) as answer:
            await answer.read()
            if answer.status >= 400:
                raise Refused(f"HTTP {answer.status}")

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()


def _page(spec: ServiceSpec) -> bool:
    return spec.health is not None and spec.health.http is not None


def _url(scene: Scene, service: str) -> str:
    spec = scene.own[service]
    assert spec.health is not None, "`make` leaves out those without"
    scheme = "https" if spec.tls else "http"
    return f"{scheme}://{scene.vips[service]}:{spec.port}{spec.health.http}"


WORKLOAD = OwnPage
