"""Files, folders, links, and paths that must not be there."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from quorate.resources.base import Resource


def file(
    path: str,
    content: str | bytes,
    *,
    mode: int = 0o644,
    owner: str = "root",
    group: str = "root",
    validate: Sequence[str] = (),
    validate_suffix: str = "",
    after: Sequence[str] = (),
    secret: bool = False,
    serial: bool = False,
) -> Resource:
    """A file with exactly this content. It is replaced whole: written beside, checked, synced, renamed.

    Args:
        path: absolute. Its folder must exist (`directory`).
        content: text (UTF-8) or bytes.
        mode: permission bits.
        owner: account name; it must exist when the file is written.
        group: group name.
        validate: the service's own checker, run on the node before the file takes its place; ``{}`` stands
            for the temporary path. A non-zero exit leaves the old file where it is and fails with the
            checker's words.
        validate_suffix: what the temporary name has to end with, where the checker insists (".cfg").
        after: ids of resources that have to be right first.
        secret: the content never shows in a plan, log or error.
        serial: change it on one node at a time.
    """
    raw = content.encode() if isinstance(content, str) else content
    args: dict[str, Any] = {"path": path, "sha256": hashlib.sha256(raw).hexdigest()}
    if isinstance(content, str):
        args["content"] = str(content)
    else:
        args["content_b64"] = base64.b64encode(content).decode()
    if validate:
        args |= {"validate": list(validate), "validate_suffix": validate_suffix}
    if secret:
        args["secret"] = True
    desired = {
        "type": "file",
        "sha256": args["sha256"],
        "mode": f"{mode:04o}",
        "owner": owner,
        "group": group,
    }
    return Resource("file", path, args, desired, tuple(after), serial, secret)


def directory(
    path: str,
    *,
    mode: int = 0o755,
    owner: str = "root",
    group: str = "root",
    purge: bool = False,
    keep: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Resource:
    """A folder. Its parents are made too, 0755 and root's.

    Args:
        path: absolute.
        mode: permission bits.
        owner: account name.
        group: group name.
        purge: whether files in it that are not in ``keep`` are removed (folders in it are left alone).
        keep: names of entries that stay.
        after: ids of resources that have to be right first.
    """
    args: dict[str, Any] = {"path": path}
    desired: dict[str, Any] = {"type": "directory", "mode": f"{mode:04o}", "owner": owner, "group": group}
    if purge:
        args |= {"purge": True, "keep": sorted(keep)}
        desired["unknown"] = []
    return Resource("directory", path, args, desired, tuple(after))


def link(path: str, target: str, *, after: Sequence[str] = ()) -> Resource:
    """A symbolic link at ``path`` that points to ``target``. It replaces a file or link, never a folder."""
    return Resource("link", path, {"path": path}, {"type": "link", "target": target}, tuple(after))


def absent(path: str, *, after: Sequence[str] = ()) -> Resource:
    """Nothing at ``path``. Removes a file, a link or an empty folder; a full folder is an error."""
    return Resource("absent", path, {"path": path}, {"type": "absent"}, tuple(after))
