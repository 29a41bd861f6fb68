"""Commit numbered rows through the database's virtual IP, over TLS, on kept connections."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any

import aiomysql

from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.ledger import ReadBack
from quorate.errors import DrillError, TransportError

SPARE = 4
"""Idle connections that are kept. A request that finds none opens another."""


class DatabaseWrite(Workload):
    """INSERT of a row (run, seq) with autocommit, acknowledged when the server said OK.

    Galera says that only after the write set was ordered on every member and certified. A connection serves
    one request at a time; one that failed is closed, never used again.
    """

    name = "database-write"
    summary = "commits a row through the database's virtual IP"
    service = "galera"
    writes = True

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._idle: deque[Any] = deque()
        self._tls = ssl.create_default_context(cafile=scene.ca_file)

    async def open(self) -> None:
        """Fail early where the database does not take us."""
        try:
            async with asyncio.timeout(10):
                self._idle.append(await self._connect())
        except (OSError, aiomysql.MySQLError) as error:
            raise DrillError(
                "the database does not take the drill's client",
                where=f"{self.scene.vips[self.service]}:{self.scene.ports[self.service]}",
                evidence=f"{type(error).__name__}: {error}",
                next_step="./quorate verify",
            ) from error

    async def _connect(self) -> Any:
        return await aiomysql.connect(
            host=self.scene.vips[self.service],
            port=self.scene.ports[self.service],
            user="quorate",
            password=str(self.scene.secrets.password("db-quorate")),
            db="quorate",
            ssl=self._tls,
            autocommit=True,
            connect_timeout=self.deadline_s,
        )

    async def request(self, attempt: Attempt) -> None:
        """One row."""
        attempt.stage = "connecting"
        connection = self._idle.pop() if self._idle else await self._connect()
        attempt.stage = "committing"
        good = False
        try:
            async with connection.cursor() as cursor:
                attempt.sent = True
                await cursor.execute(
                    "INSERT INTO writes (run, seq) VALUES (%s, %s)", (self.scene.run, attempt.number)
                )
            good = True
        finally:
            if good and len(self._idle) < SPARE:
                self._idle.append(connection)
            else:
                connection.close()

    async def read_back(self) -> Sequence[ReadBack]:
        """The rows that each node holds, read on the node itself."""
        return await asyncio.gather(*(self._read(node) for node in self.scene.cluster.controllers))

    async def _read(self, node: str) -> ReadBack:
        # wsrep_sync_wait: the node first applies all that was ordered before (MariaDB, Galera variables).
        rows = f"SELECT seq FROM quorate.writes WHERE run='{self.scene.run}'"
        query = f"SET SESSION wsrep_sync_wait=1; {rows};"
        try:
            done = await self.scene.nodes.run(
                node, ("mariadb", "-N", "-B", "-u", "root"), stdin=query.encode(), timeout_s=30
            )
        except TransportError as error:
            return ReadBack(self.name, node, (), str(error))
        if done.exit:
            return ReadBack(self.name, node, (), done.stderr.decode(errors="replace").strip()[-200:])
        return ReadBack(self.name, node, tuple(int(line) for line in done.stdout.split()))

    async def forget(self) -> None:
        """Delete the run's rows."""
        connection = await self._connect()
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("DELETE FROM writes WHERE run=%s", (self.scene.run,))
        finally:
            connection.close()

    async def close(self) -> None:
        """Close every kept connection."""
        while self._idle:
            self._idle.pop().close()


WORKLOAD = DatabaseWrite
