"""The database, as a client outside uses it: through the virtual IP, over TLS, the certificate checked."""

from __future__ import annotations

import asyncio
import secrets
import ssl

import aiomysql

from quorate.errors import QuorateError
from quorate.services.base import Outside

SERVICE, PORT, OWN = "galera", 3306, "quorate"
"""Service, port, and the name of the account, its schema and its secret (``db-quorate``)."""


def _trust(outside: Outside) -> ssl.SSLContext:
    """Trusts the cluster's CA only, and checks the name."""
    return ssl.create_default_context(cafile=outside.ca_file)


async def connect(outside: Outside, host: str, timeout_s: float = 5.0) -> aiomysql.Connection:
    """A connection over TLS, its certificate checked, as the account ``quorate``."""
    return await aiomysql.connect(
        host=host,
        port=PORT,
        user=OWN,
        password=str(outside.secrets.password(f"db-{OWN}")),
        db=OWN,
        ssl=_trust(outside),
        autocommit=True,
        connect_timeout=timeout_s,
    )


VERIFY_RUN = "verify"


async def write_and_read(outside: Outside) -> str:
    """Commit a row through the virtual IP and read it back. Returns which node took it."""
    value = secrets.randbits(62)
    connection = await connect(outside, outside.vips[SERVICE])
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("REPLACE INTO probe (node, value) VALUES (%s, %s)", (VERIFY_RUN, value))
            await cursor.execute(
                "SELECT value, @@wsrep_node_name, (SELECT VARIABLE_VALUE FROM"
                " information_schema.SESSION_STATUS WHERE VARIABLE_NAME='Ssl_version')"
                " FROM probe WHERE node=%s",
                (VERIFY_RUN,),
            )
            found, node, tls = await cursor.fetchone()
    finally:
        await connection.ensure_closed()
    if found != value:
        raise QuorateError(f"wrote {value}, read {found}", where=node)
    return f"committed and read on {node}, {tls}"


async def on_every_node(outside: Outside, nodes: tuple[str, ...]) -> str:
    """Read verify's row on every node, waiting for replication first (wsrep_sync_wait)."""

    async def read(node: str) -> int:
        connection = await connect(outside, outside.cluster.address(node))
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("SET SESSION wsrep_sync_wait=1")
                await cursor.execute("SELECT value FROM probe WHERE node=%s", (VERIFY_RUN,))
                row = await cursor.fetchone()
                return int(row[0]) if row else -1
        finally:
            await connection.ensure_closed()

    values = dict(zip(nodes, await asyncio.gather(*(read(node) for node in nodes)), strict=True))
    if len(set(values.values())) != 1:
        shown = ", ".join(f"{node}: {value}" for node, value in values.items())
        raise QuorateError(f"the nodes do not agree: {shown}", next_step="run: quorate status")
    return f"the same on {', '.join(nodes)}"
