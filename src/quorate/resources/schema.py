"""Tables of an OpenStack service, at the version of its package."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.resources.base import Resource


def schema(
    database: str,
    *,
    heads: str = "",
    scripts: str = "",
    sync: Sequence[str],
    user: str,
    table: str = "alembic_version",
    after: Sequence[str] = (),
    timeout_s: float = 300.0,
) -> Resource:
    """The schema ``database`` is where the package wants it.

    Args:
        database: schema name.
        heads: glob, on the node, of files that hold one wanted Alembic version each …
        scripts: … or, where the package has none, of Alembic's migrations, the last of which is wanted.
        sync: the service's own migration command.
        user: account that runs it.
        table: Alembic's table of versions.
        after: ids of resources that have to be right first.
        timeout_s: how long the migration may take.
    """
    args = {
        "database": database,
        "heads": heads,
        "scripts": scripts,
        "sync": list(sync),
        "user": user,
        "table": table,
        "timeout_s": timeout_s,
    }
    return Resource("schema", database, args, {"current": True}, tuple(after), timeout_s=timeout_s + 20)
