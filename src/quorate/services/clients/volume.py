"""Cinder, as a tenant uses it: a volume and its snapshots from nothing to gone, each step with a deadline."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.cloud import Cloud, Json, login, until

TYPES = ("block-storage", "volumev3")
"""What the catalogue may call it: the service types authority's name, and the one that it had before."""
VERSION = "volume 3.68"
"""Microversion of 2022.1 (Cinder's API version history), which everything since understands."""
READY_S, GONE_S = 60.0, 60.0
SIZE_GIB = 1
"""The smallest that there is."""


async def make_and_delete(outside: Outside, *, size_gib: int = SIZE_GIB) -> str:
    """Make a volume, a snapshot of it and a volume from that; then all of it gone. For ``verify``."""
    name = f"quorate-verify-{secrets.token_hex(4)}"
    async with login(outside) as cloud:
        try:
            made = await create(cloud, name=name, size_gib=size_gib)
            await ready(cloud, "volume", made)
            taken = await snapshot(cloud, made, name=name)
            await ready(cloud, "snapshot", taken)
            copy = await create(cloud, name=name, size_gib=size_gib, snapshot_id=taken)
            await ready(cloud, "volume", copy)
        finally:
            await delete_named(cloud, name)
        rest = await left(cloud, name)
        if rest:
            raise QuorateError(f"not everything is gone: {', '.join(rest)}")
    return f"{size_gib} GiB made, snapshot taken, a volume made from it, nothing left"


def kind(cloud: Cloud) -> str:
    """The type that the catalogue has Cinder under. Raises QuorateError where it has none."""
    for one in TYPES:
        if one in cloud.catalogue:
            return one
    there = ", ".join(sorted(cloud.catalogue)) or "nothing"
    raise QuorateError(f"the catalogue has no volumes ({' or '.join(TYPES)}); it has {there}")


async def call(
    cloud: Cloud,
    method: str,
    path: str,
    body: Json | None = None,
    *,
    good: tuple[int, ...] = (200, 201, 202, 204),
) -> Json:
    """`Cloud.call` to Cinder, in the version of its API that the steps here are written for."""
    versioned = cloud.version(OpenStack_API_Version=VERSION)
    return await versioned.call(method, kind(cloud), path, body, good=good)


async def create(cloud: Cloud, *, name: str, size_gib: int = SIZE_GIB, **more: Any) -> str:
    """Ask for a volume; hands back its id. It is not there yet: `ready`.

    Args:
        cloud: of the tenant.
        name: what it is called.
        size_gib: its size.
        more: further keys of the request ("snapshot_id", "imageRef", "volume_type", "availability_zone").

    Raises:
        QuorateError: Cinder refuses it (a quota …); says why, with the request id.
    """
    body = {"volume": {"name": name, "size": size_gib, **more}}
    return str((await call(cloud, "POST", "/volumes", body))["volume"]["id"])


async def snapshot(cloud: Cloud, volume: str, *, name: str) -> str:
    """Ask for a snapshot of ``volume``, also of one that a server uses; hands back its id."""
    # From version 3.66 on a volume in use needs no "force".
    body = {"snapshot": {"name": name, "volume_id": volume}}
    return str((await call(cloud, "POST", "/snapshots", body))["snapshot"]["id"])


async def ready(
    cloud: Cloud, what: str, identifier: str, *, status: str = "available", within_s: float = READY_S
) -> Json:
    """Wait until a volume or a snapshot has ``status``; hands back what Cinder says of it.

    Args:
        cloud: of the tenant.
        what: "volume", "snapshot" or "backup".
        identifier: its id.
        status: "available"; "in-use" of a volume that a server has.
        within_s: deadline, seconds.

    Raises:
        QuorateError: it is in error, with what Cinder tells its user of that; or it took too long.
    """
    found: Json = {}

    async def look() -> tuple[bool, str]:
        found.update((await call(cloud, "GET", f"/{what}s/{identifier}"))[what])
        if str(found["status"]).startswith("error"):
            said = await why(cloud, identifier)
            raise QuorateError(f"the {what} {identifier} is in {found['status']}: {said}")
        return found["status"] == status, str(found["status"])

    await until(f"the {what} {identifier} is {status}", look, within_s)
    return found


async def why(cloud: Cloud, identifier: str) -> str:
    """What Cinder tells its user about what went wrong with a volume or snapshot, and in which requests."""
    found = (await call(cloud, "GET", f"/messages?resource_uuid={identifier}"))["messages"]
    return "; ".join(f"{one['user_message']} ({one['request_id']})" for one in found[:3]) or "no reason given"


async def delete(cloud: Cloud, what: str, identifier: str, *, within_s: float = GONE_S) -> None:
    """Remove a volume, snapshot or backup and see that it is gone; one that is not there is gone already.

    Raises:
        QuorateError: Cinder refuses it (a volume that is in use or has snapshots), fails, or takes too long.
    """
    path = f"/{what}s/{identifier}"
    await call(cloud, "DELETE", path, good=(202, 204, 404))

    async def look() -> tuple[bool, str]:
        found = (await call(cloud, "GET", path, good=(200, 404))).get(what)
        if found is None:
            return True, "gone"
        if str(found["status"]).startswith("error"):
            said = await why(cloud, identifier)
            raise QuorateError(f"the {what} {identifier} cannot be deleted ({found['status']}): {said}")
        return False, str(found["status"])

    await until(f"the {what} {identifier} is gone", look, within_s)


async def delete_named(cloud: Cloud, name: str, *, within_s: float = GONE_S) -> None:
    """Every volume and snapshot called ``name``: snapshots first, their volumes cannot go before them."""
    for what in ("snapshot", "volume"):
        for identifier in await named(cloud, what, name):
            await delete(cloud, what, identifier, within_s=within_s)


async def left(cloud: Cloud, name: str) -> list[str]:
    """What there is with that name: nothing, where everything was deleted."""
    return [f"{what} {one}" for what in ("volume", "snapshot") for one in await named(cloud, what, name)]


async def owned(cloud: Cloud, what: str, project: str = "") -> list[str]:
    """Ids of the volumes or snapshots of ``project``; of the account's own where none is named.

    Args:
        cloud: an administrator's, where a project is named.
        what: "volume" or "snapshot".
        project: its id.
    """
    query = f"?all_tenants=true&project_id={project}" if project else ""
    found = await call(cloud, "GET", f"/{what}s{query}")
    return [str(one["id"]) for one in found[f"{what}s"]]


async def named(cloud: Cloud, what: str, name: str) -> Sequence[str]:
    """Ids of the project's volumes or snapshots called ``name``."""
    found = await call(cloud, "GET", f"/{what}s?name={name}")
    return [str(one["id"]) for one in found[f"{what}s"]]
