"""A symbolic link."""

from __future__ import annotations

import os
from typing import Any

from quorate.node import file, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``type`` and, of a link, ``target``."""
    return file.entry(args["path"])


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Make it beside, rename it into place."""
    path = args["path"]
    if file.entry(path)["type"] == "directory":
        raise tools.Failed(f"{path} is a folder; a link does not replace one")
    temporary = f"{path}.quorate-{os.urandom(4).hex()}"
    os.symlink(desired["target"], temporary)
    try:
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
    file.sync_folder(os.path.dirname(path))
