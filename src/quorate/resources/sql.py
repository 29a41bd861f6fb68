"""Facts inside the database, read and made on the node through its local socket as root."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.resources.base import Resource


def sql(
    name: str,
    *,
    query: str,
    rows: Sequence[Sequence[str | int]],
    statements: Sequence[str],
    database: str = "",
    after: Sequence[str] = (),
    secret: bool = True,
    timeout_s: float = 60.0,
) -> Resource:
    """``query`` returns exactly ``rows``; where not, ``statements`` are executed in order.

    Args:
        name: what it is, for people; unique among the sql resources of its node ("database keystone").
        query: one statement without a semicolon. Travels on standard input, so it may hold secrets.
        rows: what it has to return, values as the ``mariadb -N -B`` client prints them (NULL is "NULL").
        statements: without semicolons, each must be harmless to execute again.
        database: the schema to use.
        after: ids of resources that have to be right first.
        secret: neither the rows nor the statements are shown.
        timeout_s: for all statements together.
    """
    wanted = [[str(value) for value in row] for row in rows]
    args = {"query": query, "statements": list(statements), "database": database}
    return Resource("sql", name, args, {"rows": wanted}, tuple(after), False, secret, timeout_s)
