"""Nothing at a path."""

from __future__ import annotations

import os
from typing import Any

from quorate.node import file


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``type`` is "absent" where nothing is there."""
    return {"type": file.entry(args["path"])["type"]}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Remove the file, the link or the empty folder."""
    path = args["path"]
    if file.entry(path)["type"] == "directory":
        os.rmdir(path)
    else:
        os.unlink(path)
    file.sync_folder(os.path.dirname(path))
