"""The database of the node, through its local socket as root, statements on standard input."""

from __future__ import annotations

import os
from typing import Any

from quorate.node import tools

NOT_YET = ("ERROR 2002", "ERROR 2003", "ERROR 2006", "ERROR 2013", "ERROR 1047", "ERROR 1205", "ERROR 1213")
"""No socket, gone away, WSREP not ready, lock wait, deadlock: ask again (MariaDB error code reference)."""
QUERY_S = 10.0


def look_many(items: list[dict[str, Any]]) -> list[dict[str, Any] | Exception]:
    """``rows`` of each query: all in one session; where one fails, each on its own, to know which."""
    databases = {args["database"] for args in items}
    if len(items) > 1 and len(databases) == 1:
        mark = "quorate-" + os.urandom(8).hex()
        script = "".join(f"{args['query']};\nSELECT '{mark}';\n" for args in items)
        done = client(script, databases.pop())
        if done.exit == 0:
            parts = done.out.split(mark + "\n")
            return [{"rows": _rows(part)} for part in parts[: len(items)]]
    found: list[dict[str, Any] | Exception] = []
    for args in items:
        try:
            found.append(
                {"rows": _rows(checked(args["query"] + ";\n", args["database"], "the query failed"))}
            )
        except tools.Failed as error:
            found.append(error)
    return found


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``rows`` of one query."""
    return {"rows": _rows(checked(args["query"] + ";\n", args["database"], "the query failed"))}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Execute the statements in order; the first that fails ends it."""
    script = "".join(statement + ";\n" for statement in args["statements"])
    checked(script, args["database"], "a statement failed", timeout_s=3600)


def checked(script: str, database: str, what: str, timeout_s: float = QUERY_S) -> str:
    """What the statements print. Raises `Failed` with ``what``; `NotReady` where it is worth asking again."""
    done = client(script, database, timeout_s)
    if done.exit != 0:
        kind = tools.NotReady if done.err.startswith(NOT_YET) else tools.Failed
        raise kind(what, done.words)
    return done.out


def client(script: str, database: str = "", timeout_s: float = QUERY_S) -> tools.Done:
    """The statements of ``script``, as root on the local socket. Raises `Failed` as `tools.run` does."""
    argv = [
        "mariadb",
        "--no-defaults",
        "--user=root",
        "--batch",
        "--skip-column-names",
        "--connect-timeout=5",
    ]
    return tools.run([*argv, *([database] if database else [])], stdin=script, timeout_s=timeout_s)


def _rows(out: str) -> list[list[str]]:
    return [line.split("\t") for line in out.splitlines()]
