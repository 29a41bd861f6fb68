"""Accounts and catalogue entries in Keystone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quorate.resources.base import Resource


@dataclass(frozen=True)
class User:
    """An account that has ``roles`` in the project."""

    name: str
    password: str = field(repr=False)
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A service of the catalogue: the admin, internal and public interfaces all have the one ``url``."""

    type: str
    name: str
    url: str


def identity(
    name: str,
    *,
    database: str,
    project: str,
    region: str,
    users: Sequence[User],
    entries: Sequence[Entry],
    access: Mapping[str, Any],
    kept: str,
    wait_s: float = 120.0,
    after: Sequence[str] = (),
) -> Resource:
    """All ``users`` and ``entries`` are in Keystone as they are here. What else is there is left alone.

    Args:
        name: what that achieves, for people.
        database: schema of Keystone, read through the node's local socket.
        project: in the default domain; made where it is missing.
        region: of the endpoints.
        users: accounts in the default domain.
        entries: of the catalogue, one of each type.
        access: how the node gets a token (`quorate.node.openstack`); the account has to be an administrator.
        kept: path on the node where is kept which passwords were found right, as digests.
        wait_s: how long the fix waits until Keystone issues tokens.
        after: ids of resources that have to be right first.
    """
    args = {
        "database": database,
        "project": project,
        "region": region,
        "accounts": [
            {"name": user.name, "password": str(user.password), "roles": list(user.roles)} for user in users
        ],
        "entries": [{"type": entry.type, "name": entry.name, "url": entry.url} for entry in entries],
        "access": dict(access),
        "kept": kept,
        "wait_s": wait_s,
    }
    desired: dict[str, Any] = {"wrong": []}
    return Resource("identity", name, args, desired, tuple(after), secret=True, timeout_s=wait_s + 60)
