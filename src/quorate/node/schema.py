"""A service's tables, at the version that its package brings: told by Alembic's records."""

from __future__ import annotations

import ast
import glob
import re
from typing import Any

from quorate.node import sql, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Compare the schema's versions with those that the package wants.

    Args:
        args: ``database``; ``table`` with the versions; ``heads``, a glob of files with a version each, or
            ``scripts``, a glob of Alembic's migrations.

    Returns:
        ``current``: both are the same; ``versions``, ``wanted``.
    """
    where = args.get("heads") or args["scripts"]
    texts = [_read(path) for path in sorted(glob.glob(where))]
    wanted = [text.strip() for text in texts] if args.get("heads") else last_of(texts)
    if not wanted:
        raise tools.Failed(f"no schema version in {where}: is the package installed?")
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


def last_of(scripts: list[str]) -> list[str]:
    """The revisions that no other script follows or depends on: what Alembic records once all were run."""
    made: set[str] = set()
    passed: set[str] = set()
    for text in scripts:
        for key, value in re.findall(r"(?m)^(revision|down_revision|depends_on)\b[^=\n]*= *([^#\n]+)", text):
            found = ast.literal_eval(value.strip())
            names = {found} if isinstance(found, str) else set(found or ())
            (made if key == "revision" else passed).update(names)
    return sorted(made - passed)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
