"""A regular file: read its state; replace it whole."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import stat
from typing import Any

from quorate.node import tools

LARGEST_DIFF = 262144
"""Bytes: larger files are compared by their hash only."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``type``, ``mode``, ``owner``, ``group``; of a file ``sha256``, ``content`` where it may be shown."""
    state = entry(args["path"])
    if state["type"] != "file":
        return state
    with open(args["path"], "rb") as handle:
        raw = handle.read()
    state["sha256"] = hashlib.sha256(raw).hexdigest()
    if state["sha256"] != args["sha256"] and not args.get("secret") and len(raw) <= LARGEST_DIFF:
        try:
            state["content"] = raw.decode()
        except UnicodeDecodeError:
            state["binary"] = True
    return state


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Right owner and mode, and the content if it differs: beside it, checked, synced, renamed into place."""
    path = args["path"]
    if entry(path)["type"] == "directory":
        raise tools.Failed(f"{path} is a folder, not a file")
    uid, gid, mode = ids(desired)
    if not {"type", "sha256"} & set(wrong):
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        return
    raw = base64.b64decode(args["content_b64"]) if "content_b64" in args else args["content"].encode()
    folder, base = os.path.split(path)
    if not os.path.isdir(folder):
        raise tools.Failed(f"there is no folder {folder} to write {base} in")
    prefix = f".{base}.quorate-"
    for name in os.listdir(folder):
        if name.startswith(prefix):
            os.unlink(os.path.join(folder, name))
    temporary = os.path.join(folder, prefix + os.urandom(4).hex() + args.get("validate_suffix", ""))
    try:
        _write(temporary, raw, uid, gid, mode)
        if args.get("validate"):
            argv = [word.replace("{}", temporary) for word in args["validate"]]
            done = tools.run(argv, timeout_s=60)
            if done.exit != 0:
                words = done.words.replace(temporary, path)
                raise tools.Failed(
                    f"{argv[0]} does not accept the new {path}; the old one is untouched", words
                )
        os.rename(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def entry(path: str) -> dict[str, Any]:
    """What is at ``path``: ``type`` (absent, file, directory, link, other), mode, owner, group."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"type": "absent"}
    if stat.S_ISLNK(info.st_mode):
        return {"type": "link", "target": os.readlink(path)}
    kind = "file" if stat.S_ISREG(info.st_mode) else "directory" if stat.S_ISDIR(info.st_mode) else "other"
    mode = f"{stat.S_IMODE(info.st_mode):04o}"
    return {"type": kind, "mode": mode, "owner": _user(info.st_uid), "group": _group(info.st_gid)}


def ids(desired: dict[str, Any]) -> tuple[int, int, int]:
    """The numbers of ``owner`` and ``group``, and the mode."""
    try:
        uid = pwd.getpwnam(desired["owner"]).pw_uid
    except KeyError:
        raise tools.Failed(f"there is no account {desired['owner']} on this node") from None
    try:
        gid = grp.getgrnam(desired["group"]).gr_gid
    except KeyError:
        raise tools.Failed(f"there is no group {desired['group']} on this node") from None
    return uid, gid, int(desired["mode"], 8)


def sync_folder(folder: str) -> None:
    """Put the folder's entries on the disk, so that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: str, raw: bytes, uid: int, gid: int, mode: int) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
        file.write(raw)
        file.flush()
        os.fsync(handle)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
