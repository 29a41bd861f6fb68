"""Nova's cells: two, as small as it goes. Written as facts, so that doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quorate.resources.base import Resource
from quorate.resources.schema import schema
from quorate.resources.sql import sql
from quorate.services.compute.settings import API_DATABASE, CELL0_DATABASE, CELL_DATABASE, NOVA
from quorate.services.openstack.settings import Common

SCRIPTS = "/usr/lib/python3/dist-packages/nova/db/{}/migrations/versions/*.py"
CELL0 = "00000000-0000-0000-0000-000000000000"
"""Nova's own id of the cell of servers that were never placed (nova.objects.CellMapping.CELL0_UUID)."""
CELL1 = "11111111-1111-4111-8111-111111111111"


def bootstrap(os: Common, computes: Sequence[str], *, timeout_s: int) -> Iterable[Resource]:
    """The API's tables, the two cells in them, the cells' own tables, and where each compute belongs.

    What ``nova-manage cell_v2`` does with ``map_cell0``, ``create_cell`` and ``discover_hosts``, told as
    rows: a password or broker that changed is put right, and a compute is known before it first reports.

    Args:
        os: where database and broker are.
        computes: names of the compute nodes.
        timeout_s: how long one answer of the database may take.
    """
    versions = SCRIPTS.format("api")
    tables = schema(API_DATABASE.name, scripts=versions, sync=("nova-manage", "api_db", "sync"), user=NOVA)
    yield tables
    url0 = os.database(CELL0_DATABASE.name, CELL0_DATABASE.user, timeout_s=timeout_s)
    url1 = os.database(CELL_DATABASE.name, CELL_DATABASE.user, timeout_s=timeout_s)
    wanted = ((CELL0, "cell0", "none:///", url0), (CELL1, "cell1", os.transport(NOVA), url1))
    cells = sql(
        "Nova's cells",
        query="SELECT uuid, name, transport_url, database_connection FROM cell_mappings"
        f" WHERE uuid IN ('{CELL0}', '{CELL1}') ORDER BY name",
        rows=wanted,
        statements=[_mapping(*cell) for cell in wanted],
        database=API_DATABASE.name,
        after=(tables.id,),
    )
    yield cells
    sync = ("nova-manage", "db", "sync")
    versions, before = SCRIPTS.format("main"), cells.id
    for database in (CELL0_DATABASE, CELL_DATABASE):
        made = schema(database.name, scripts=versions, sync=sync, user=NOVA, after=(before,))
        before = made.id
        yield made
    if computes:
        yield hosts(computes, after=cells.id)


def hosts(computes: Sequence[str], *, after: str) -> Resource:
    """Every compute belongs to cell1."""
    names = ", ".join(f"'{node}'" for node in sorted(computes))
    return sql(
        "Nova's computes",
        query="SELECT host, cell_mappings.uuid FROM host_mappings"
        " JOIN cell_mappings ON cell_mappings.id = host_mappings.cell_id"
        f" WHERE host IN ({names}) ORDER BY host",
        rows=[(node, CELL1) for node in sorted(computes)],
        statements=[
            "INSERT INTO host_mappings (created_at, cell_id, host)"
            f" SELECT UTC_TIMESTAMP(), id, '{node}' FROM cell_mappings WHERE uuid = '{CELL1}'"
            " ON DUPLICATE KEY UPDATE cell_id = VALUES(cell_id)"
            for node in sorted(computes)
        ],
        database=API_DATABASE.name,
        after=(after,),
        secret=False,
    )


def _mapping(uuid: str, name: str, transport: str, database: str) -> str:
    return (
        "INSERT INTO cell_mappings (created_at, uuid, name, transport_url, database_connection, disabled)"
        f" VALUES (UTC_TIMESTAMP(), '{uuid}', '{name}', '{transport}', '{database}', 0)"
        f" ON DUPLICATE KEY UPDATE name = '{name}', transport_url = '{transport}',"
        f" database_connection = '{database}'"
    )
