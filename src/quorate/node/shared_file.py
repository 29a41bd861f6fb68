"""A file on a shared storage: looked at on every node, there to be mended on the one that has it mounted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from quorate.node import file, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``right``: as it should be, or not this node's to judge; ``mounted``; ``file``: what there is.

    Args:
        args: those of a `file`, and ``mount``, and ``want``, the file's own desired state.
    """
    if not os.path.ismount(args["mount"]):
        return {"right": True, "mounted": False}
    found = file.look(args)
    wrong = tools.differing(args["want"], found)
    return {"right": not wrong, "mounted": True, "file": {key: found.get(key) for key in wrong}}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Write it where the storage is mounted. A mount that has gone is no failure: its new node has it.

    Raises:
        Failed: it cannot be written.
    """
    with _held(args["mount"]) as root:
        if root is None:
            return
        # Through the open folder: should the storage go meanwhile, nothing lands in the folder under it.
        path = f"/proc/self/fd/{root}/{os.path.relpath(args['path'], args['mount'])}"
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        inner = {**args, "path": path}
        try:
            file.fix(inner, args["want"], tools.differing(args["want"], file.look(inner)))
        except tools.Failed as error:
            words = str(error).replace(path, args["path"])
            raise tools.Failed(words, error.evidence.replace(path, args["path"])) from None


@contextmanager
def _held(mount: str) -> Iterator[int | None]:
    """The mounted folder, open; None where nothing is mounted there."""
    handle = os.open(mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        above = os.stat(f"/proc/self/fd/{handle}/..").st_dev
        yield handle if os.fstat(handle).st_dev != above else None
    finally:
        os.close(handle)
