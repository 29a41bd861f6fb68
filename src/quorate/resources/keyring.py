"""A folder of numbered keys that is the same on every node: Keystone's Fernet repositories."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from quorate.resources.base import Resource


def keyring(
    path: str, keys: Mapping[str, str], *, owner: str, group: str, after: Sequence[str] = ()
) -> Resource:
    """The folder ``path`` holds exactly ``keys``; told apart by SHA-256, so that a look shows no key.

    Args:
        path: absolute; its parent must exist. Folder 0700, files 0600.
        keys: file name (a number) to content. New ones are written before old ones are removed.
        owner: account that reads them.
        group: its group.
        after: ids of resources that have to be right first.
    """
    digests = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in keys.items()}
    desired = {"keys": digests, "private": True}
    args = {"path": path, "keys": dict(keys), "owner": owner, "group": group}
    return Resource("keyring", path, args, desired, tuple(after), secret=True)
