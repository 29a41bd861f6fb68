"""A folder of numbered keys, compared by their SHA-256 and replaced in an order that suits readers."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from typing import Any


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``keys``: file name to SHA-256. ``private``: the folder and all files are their owner's alone."""
    path, keys, private = args["path"], {}, True
    try:
        names = sorted(os.listdir(path))
        owner = pwd.getpwnam(args["owner"]).pw_uid
    except (FileNotFoundError, KeyError):
        return {"keys": {}, "private": False}
    for name in ("", *names):
        found = os.lstat(os.path.join(path, name))
        private = private and found.st_uid == owner and not stat.S_IMODE(found.st_mode) & 0o077
    for name in names:
        if not name.startswith("."):
            with open(os.path.join(path, name), "rb") as file:
                keys[name] = hashlib.sha256(file.read()).hexdigest()
    return {"keys": keys, "private": private}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Write what is new, highest number first: a primary key is there before the staged one is replaced."""
    path, keys = args["path"], args["keys"]
    os.makedirs(path, mode=0o700, exist_ok=True)
    shutil.chown(path, args["owner"], args["group"])
    os.chmod(path, 0o700)
    for name in sorted(keys, key=int, reverse=True):
        _write(os.path.join(path, name), keys[name], args)
    for name in os.listdir(path):
        if name not in keys:
            os.unlink(os.path.join(path, name))
    _sync(path)


def _write(path: str, key: str, args: dict[str, Any]) -> None:
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        shutil.chown(temporary, args["owner"], args["group"])
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
