"""Store numbered objects through the object store's virtual IP; afterwards find every copy on the disks."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from quorate.drill import budgets, copies
from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import Refused, base_url, login, session
from quorate.drill.ledger import ReadBack
from quorate.errors import TransportError
from quorate.services.objects import layout
from quorate.services.swift import SwiftOptions

COMPLETE_S, AGAIN_S = 240.0, 3.0
"""How long replication may take to bring back every copy, and how often that is looked at."""
ORDINALS = ("1st copy", "2nd copy", "3rd copy")
SIZE = 4096


class ObjectWrite(Workload):
    """PUT of an object, acknowledged with 201: then two of three copies are on the disk.

    Read back is every copy, on the nodes' own disks, past the API: so it is seen that what was confirmed is
    there, and that the node which was away has been given what it missed.
    """

    name = "object-write"
    summary = "stores a numbered object through the object store's virtual IP"
    service = "swift"
    writes = True
    rate_hz = 1.0
    deadline_s = 3.0

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._client: aiohttp.ClientSession | None = None
        self._token, self._account, self._stored = "", "", set[int]()
        self._container = f"quorate-drill-{scene.run}"
        given = scene.cluster.services[self.service].options
        self._options = SwiftOptions.model_validate(given)

    def budget(self, fault: str, service: str) -> float | None:
        """Any one node may be lost, and any one server of the API."""
        return budgets.of_cloud(fault, service, self.name, self.service)

    @property
    def _url(self) -> str:
        return f"{base_url(self.scene, self.service)}/v1/{self._account}/{self._container}"

    async def open(self) -> None:
        """Log in, and make the container."""
        self._token, project = await login(self.scene)
        self._account = f"AUTH_{project}"
        self._client = session(self.scene, keep=True)
        async with self._client.put(self._url, headers=self._headers) as answer:
            if answer.status not in (201, 202):
                raise Refused(f"making a container: HTTP {answer.status}")

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-Auth-Token": self._token}

    async def request(self, attempt: Attempt) -> None:
        """One object."""
        assert self._client is not None
        body = f"{attempt.number} ".encode() * (SIZE // 8)
        attempt.sent = True
        async with self._client.put(
            f"{self._url}/{attempt.number}", data=body, headers=self._headers, trace_request_ctx=attempt
        ) as answer:
            await answer.read()
            if answer.status != 201:
                raise Refused(f"HTTP {answer.status}")
        self._stored.add(attempt.number)

    def folder(self, number: int) -> str:
        """Where an object is below a device: partition, end of the hash, hash (Swift's ``hash_path``)."""
        prefix, suffix = (self.scene.secrets.password(f"swift-hash-{part}") for part in ("prefix", "suffix"))
        name = f"{prefix}/{self._account}/{self._container}/{number}{suffix}"
        found = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        return f"objects/{int(found[:8], 16) >> (32 - self._options.part_power)}/{found[-3:]}/{found}"

    async def read_back(self) -> Sequence[ReadBack]:
        """What is there at least once, twice, three times; given time for replication to bring it back."""
        ends = asyncio.get_running_loop().time() + COMPLETE_S
        asked = sorted({*self._stored, *range(max(self._stored, default=-1) + 50)})
        text = "".join(f"{number} {self.folder(number)}\n" for number in asked).encode()
        devices = layout.devices(
            self.scene.cluster, self._options.devices, self._options.exceptions, self._options.zones
        )
        wanted = layout.replicas(devices)
        while True:
            counts: Counter[int] = Counter()
            silent = []
            for node, held in await asyncio.gather(*(self._held(node, text) for node in self._nodes)):
                counts.update(held or ())
                silent += [node] if held is None else []
            # One that was not confirmed may be there, but then everywhere.
            complete = all(counts[number] >= wanted for number in {*self._stored, *counts})
            if complete or asyncio.get_running_loop().time() >= ends:
                break
            await asyncio.sleep(AGAIN_S)
        error = f"not all disks could be looked at: {', '.join(silent)}" if silent and not complete else ""
        return [
            ReadBack(
                self.name, source, tuple(sorted(key for key, n in counts.items() if n >= ordinal)), error
            )
            for ordinal, source in enumerate(ORDINALS[:wanted], 1)
        ]

    @property
    def _nodes(self) -> Sequence[str]:
        return self.scene.cluster.storage_nodes

    async def _held(self, node: str, text: bytes) -> tuple[str, tuple[int, ...] | None]:
        argv = ("python3", "-c", Path(copies.__file__).read_text(), self._options.root)
        try:
            done = await self.scene.nodes.run(node, argv, stdin=text, timeout_s=30)
        except TransportError:
            return node, None
        return node, None if done.exit else tuple(int(line) for line in done.stdout.split())

    async def forget(self) -> None:
        """Delete the run's objects and their container."""
        assert self._client is not None
        base = self._url.rpartition("/")[0]
        stored = sorted(self._stored)
        for first in range(0, len(stored), 1000):
            names = "\n".join(f"{self._container}/{number}" for number in stored[first : first + 1000])
            headers = {**self._headers, "Content-Type": "text/plain", "Accept": "application/json"}
            async with self._client.post(f"{base}?bulk-delete", data=names, headers=headers) as answer:
                await answer.read()
        while True:  # a listing may lag behind; who calls gives it so much time
            async with self._client.delete(self._url, headers=self._headers) as answer:
                if answer.status != 409:
                    return
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """End the client."""
        if self._client is not None:
            await self._client.close()


WORKLOAD = ObjectWrite
