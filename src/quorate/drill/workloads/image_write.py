"""Upload numbered images; afterwards each that looks done has to come back whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import aiohttp

from quorate.drill import budgets
from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import Refused, base_url, login, session
from quorate.drill.ledger import ReadBack

SIZE = 64 * 1024
TOGETHER = 3
"""Images that are read, or deleted, at the same time."""
READ_S = 30.0
"""For one of them."""


class ImageWrite(Workload):
    """POST of a record, PUT of 64 KiB; acknowledged with 204. Too seldom to time an outage: errors count.

    Read back is twice: which images say that they are done, and of which of those the content comes back. An
    upload that died half-way may be anything but *active*.
    """

    name = "image-write"
    summary = "uploads a numbered image of 64 KiB, once in five seconds"
    service = "glance"
    writes = True
    rate_hz = 0.2
    deadline_s = 5.0
    judged = False

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._client: aiohttp.ClientSession | None = None
        self._token, self._tag = "", f"quorate-drill-{scene.run}"
        self._url = f"{base_url(scene, self.service)}/v2/images"

    def budget(self, fault: str, service: str) -> float | None:
        """As of Glance's API."""
        return budgets.of_cloud(fault, service, self.name, self.service)

    async def open(self) -> None:
        """Log in."""
        self._token, _ = await login(self.scene)
        self._client = session(self.scene, keep=True)

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self._token, "Accept": "application/json"}

    async def request(self, attempt: Attempt) -> None:
        """One image."""
        assert self._client is not None
        record = {
            "name": str(attempt.number),
            "tags": [self._tag],
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "private",
        }
        async with self._client.post(
            self._url, json=record, headers=self._headers, trace_request_ctx=attempt
        ) as answer:
            if answer.status != 201:
                raise Refused(f"HTTP {answer.status}")
            image = (await answer.json())["id"]
        attempt.sent = True
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        async with self._client.put(
            f"{self._url}/{image}/file",
            data=content(attempt.number),
            headers=headers,
            trace_request_ctx=attempt,
        ) as answer:
            await answer.read()
            if answer.status != 204:
                raise Refused(f"HTTP {answer.status}")

    async def read_back(self) -> Sequence[ReadBack]:
        """What is *active*, and what of that is there with the content that was sent."""
        done = {image: number for image, number, status in await self._listed() if status == "active"}
        gate = asyncio.Semaphore(TOGETHER)

        async def whole(image: str, number: int) -> int | None:
            assert self._client is not None
            async with (
                gate,
                asyncio.timeout(READ_S),
                self._client.get(f"{self._url}/{image}/file", headers=self._headers) as answer,
            ):
                good = answer.status == 200 and _sum(await answer.read()) == _sum(content(number))
            return number if good else None

        came = await asyncio.gather(*(whole(image, number) for image, number in done.items()))
        return [
            ReadBack(self.name, "says that it is done", tuple(sorted(done.values()))),
            ReadBack(self.name, "comes back whole", tuple(sorted(n for n in came if n is not None))),
        ]

    async def _listed(self) -> list[tuple[str, int, str]]:
        """Id, number and status of every image of this run."""
        assert self._client is not None
        found: list[tuple[str, int, str]] = []
        path = f"/v2/images?tag={self._tag}&limit=200"
        while path:
            url = base_url(self.scene, self.service) + path
            async with asyncio.timeout(READ_S), self._client.get(url, headers=self._headers) as answer:
                if answer.status != 200:
                    raise Refused(f"HTTP {answer.status}")
                page = await answer.json()
            found += [(one["id"], int(one["name"]), one["status"]) for one in page["images"]]
            path = page.get("next", "")
        return found

    async def forget(self) -> None:
        """Delete the run's images."""
        gate = asyncio.Semaphore(TOGETHER)

        async def delete(image: str) -> None:
            assert self._client is not None
            async with gate, self._client.delete(f"{self._url}/{image}", headers=self._headers) as answer:
                if answer.status not in (204, 404):
                    raise Refused(f"deleting an image: HTTP {answer.status}")

        await asyncio.gather(*(delete(image) for image, _, _ in await self._listed()))

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()


def content(number: int) -> bytes:
    """What image ``number`` holds: `SIZE` bytes that no other one has."""
    return hashlib.shake_256(f"image {number}".encode()).digest(SIZE)


def _sum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


WORKLOAD = ImageWrite
