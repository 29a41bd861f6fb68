"""A service's tables, at the version that its package brings: told by Alembic's records."""

from __future__ import annotations

import glob
from typing import Any

from quorate.node import sql, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Compare the schema's versions with those that the package wants.

    Args:
        args: ``database``; ``table`` with the versions; ``heads``, a glob of files with a version each.

    Returns:
        ``current``: both are the same; ``versions``, ``wanted``.
    """
    wanted = []
    for path in sorted(glob.glob(args["heads"])):
        with open(path, encoding="ascii") as file:
            wanted.append(file.read().strip())
    if not wanted:
        raise tools.Failed(f"no schema version in {args['heads']}: is the package installed?")
    statement = f"SELECT version_num FROM `{args['database']}`.`{args['table']}`"
    done = sql.client(statement, timeout_s=15)
    if done.exit != 0 and not any(code in done.err for code in ("ERROR 1146", "ERROR 1049")):
        raise tools.Failed("the database does not tell the schema's version", done.words)
    versions = sorted(done.out.split()) if done.exit == 0 else []
    return {"current": versions == sorted(wanted), "versions": versions, "wanted": sorted(wanted)}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Run the service's own migration (``sync``) as ``user``."""
    done = tools.run(args["sync"], user=args["user"], timeout_s=args["timeout_s"])
    if done.exit != 0:
        raise tools.Failed(f"{' '.join(args['sync'])} ended with {done.exit}", done.words)
