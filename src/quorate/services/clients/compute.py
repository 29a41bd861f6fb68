"""Nova, as a tenant uses it: a server from nothing to gone, each step with a deadline and a verdict."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
from yarl import URL

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.cloud import Cloud, Json, login, until

SERVICE = "compute"
VERSION = "compute 2.90"
"""Microversion of 2022.2 (Nova's API version history), which everything since understands."""
BOOT_S, GONE_S, MOVE_S = 180.0, 60.0, 120.0
HOST = "OS-EXT-SRV-ATTR:host"
"""Where a server is; only administrators are told."""
BANNER = b"RFB 003.008\n"
"""How a server's screen greets (RFC 6143, 7.1.1)."""
SCREEN_S = 15.0
FULL_EVERY = 10
"""Of so many looks at a server that is waited for, one is in full. For that one Nova asks Neutron twice (for
its ports and its groups), on nodes that are just then making the server; a list asks the database alone."""
MOVED = frozenset({"completed", "error", "failed", "cancelled"})
"""Statuses of a migration that is over (Nova's API reference, "Migrations")."""


async def ready(outside: Outside, *, computes: Sequence[str]) -> str:
    """There are flavors, workers that live, and all of ``computes`` are up and known. For ``verify``."""
    async with login(outside) as cloud:
        compute = versioned(cloud)
        flavors = (await compute.call("GET", SERVICE, "/flavors"))["flavors"]
        if not flavors:
            raise QuorateError("there is no flavor, so that no server can be made")
        services = (await compute.call("GET", SERVICE, "/os-services"))["services"]
        for binary in ("nova-scheduler", "nova-conductor"):
            if not any(one["binary"] == binary and one["state"] == "up" for one in services):
                raise QuorateError(f"no {binary} gives a sign of life")
        up = {one["host"] for one in services if one["binary"] == "nova-compute" and one["state"] == "up"}
        silent = sorted(set(computes) - up)
        if silent:
            raise QuorateError(f"nova-compute gives no sign of life on {', '.join(silent)}")
        hosts = (await compute.call("GET", SERVICE, "/os-hypervisors/detail"))["hypervisors"]
        missing = sorted(set(computes) - {one["service"]["host"] for one in hosts})
        if missing:
            raise QuorateError(f"Nova has no hypervisor on {', '.join(missing)}")
    return f"{len(flavors)} flavors, {len(computes)} computes up"


def versioned(cloud: Cloud) -> Cloud:
    """``cloud``, with the version of Nova's API that the steps here are written for."""
    return cloud.version(OpenStack_API_Version=VERSION)


async def flavor(cloud: Cloud, name: str) -> str:
    """The id of the flavor ``name``. Raises QuorateError where there is none."""
    found = (await versioned(cloud).call("GET", SERVICE, "/flavors"))["flavors"]
    for one in found:
        if one["name"] == name:
            return str(one["id"])
    names = ", ".join(sorted(one["name"] for one in found)) or "none"
    raise QuorateError(f"there is no flavor {name}; there are: {names}")


async def smallest_flavor(cloud: Cloud, *, memory_mib: int) -> tuple[str, str]:
    """Id and name of the smallest flavor with so much memory. Raises QuorateError where none has."""
    found = (await versioned(cloud).call("GET", SERVICE, "/flavors/detail"))["flavors"]
    able = [one for one in found if one["ram"] >= memory_mib]
    if not able:
        raise QuorateError(f"none of {len(found)} flavors has {memory_mib} MiB of memory")
    one = min(able, key=lambda one: (one["ram"], one["vcpus"], one["disk"]))
    return str(one["id"]), str(one["name"])


async def create(
    cloud: Cloud, *, image: str, flavor: str, networks: Sequence[Json], name: str = "", **more: Any
) -> str:
    """Ask for a server; hands back its id. It is not there yet: `active`.

    Args:
        cloud: of the tenant.
        image: id.
        flavor: id.
        networks: ``{"port": id}`` or ``{"uuid": id}``, one each.
        name: a made-up one where empty.
        more: further keys of the request ("key_name", "user_data", "availability_zone").

    Raises:
        QuorateError: Nova refuses it (a quota, a flavor that is too small …); says why, with the request id.
    """
    body = {
        "name": name or f"quorate-verify-{secrets.token_hex(4)}",
        "imageRef": image,
        "flavorRef": flavor,
        "networks": list(networks),
        **more,
    }
    made = await versioned(cloud).call("POST", SERVICE, "/servers", {"server": body})
    return str(made["server"]["id"])


async def active(cloud: Cloud, server: str, *, within_s: float = BOOT_S) -> Json:
    """Wait until ``server`` is ACTIVE; hands back what Nova says of it.

    Raises:
        QuorateError: it is in ERROR, with the reason and the requests that led there; or it took too long.
    """
    found: Json = {}
    looks, seen = itertools.count(), ""

    async def look() -> tuple[bool, str]:
        nonlocal seen
        if next(looks) % FULL_EVERY and not await _listed(cloud, server, "ACTIVE", "ERROR"):
            return False, seen
        found.update(await show(cloud, server))
        status, task = found["status"], found.get("OS-EXT-STS:task_state")
        if status == "ERROR":
            raise QuorateError(f"the server {server} is in error: {await why(cloud, server, found)}")
        seen = f"{status}, {task or 'nothing under way'}"
        return status == "ACTIVE" and not task, seen

    await until(f"the server {server} is active", look, within_s)
    return found


async def _listed(cloud: Cloud, server: str, *statuses: str) -> bool:
    """Whether ``server`` is among the account's own in one of ``statuses``, or at all where none is named."""
    query = "&".join((f"uuid={server}", *(f"status={status}" for status in statuses)))
    found = (await versioned(cloud).call("GET", SERVICE, f"/servers?{query}"))["servers"]
    return any(one["id"] == server for one in found)


async def show(cloud: Cloud, server: str) -> Json:
    """What Nova says of ``server``."""
    return dict((await versioned(cloud).call("GET", SERVICE, f"/servers/{server}"))["server"])


async def why(cloud: Cloud, server: str, found: Json) -> str:
    """The fault of a server, and the requests that were made for it, by their ids: for the logs."""
    said = (found.get("fault") or {}).get("message") or "no reason given"
    host = found.get(HOST) or "no host"
    actions = (await versioned(cloud).call("GET", SERVICE, f"/servers/{server}/os-instance-actions"))[
        "instanceActions"
    ]
    requests = ", ".join(f"{one['action']} {one['request_id']}" for one in actions[:3])
    return f"{said} (on {host}; {requests or 'no requests'})"


async def attach(cloud: Cloud, server: str, volume: str) -> None:
    """Ask for ``volume`` to be a disk of ``server``; Cinder says when it is ("in-use")."""
    body = {"volumeAttachment": {"volumeId": volume}}
    await versioned(cloud).call("POST", SERVICE, f"/servers/{server}/os-volume_attachments", body)


async def screen(cloud: Cloud, server: str) -> str:
    """Open the server's screen as a browser does: the page, its WebSocket, and the greeting behind it.

    Raises:
        QuorateError: one of them is not what it has to be.
    """
    url = await _console_url(cloud, server)
    page = await _console_page(cloud, url)
    asked = URL(url)
    # noVNC's page takes the WebSocket's path, with the token in it, from its own address.
    socket = asked.join(URL("/" + asked.query["path"].lstrip("/"), encoded=True))
    begun = time.monotonic()
    try:
        async with (
            asyncio.timeout(SCREEN_S),
            cloud.http.ws_connect(socket, protocols=("binary",), origin=str(asked.origin())) as screen,
        ):
            said = await screen.receive_bytes()
    except (aiohttp.ClientError, TimeoutError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}".split("?token")[0]
        raise QuorateError(f"behind the page {page} there is no screen ({reason})") from None
    if said != BANNER:
        raise QuorateError(f"the screen behind {page} greets with {said[:40]!r}, not with {BANNER!r}")
    return f"{page}, greets as {said.decode().strip()} after {1000 * (time.monotonic() - begun):.0f} ms"


async def console(cloud: Cloud, server: str) -> str:
    """The page of the server's screen answers; hands back where, without the token that opens it."""
    return await _console_page(cloud, await _console_url(cloud, server))


async def _console_url(cloud: Cloud, server: str) -> str:
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    made = await versioned(cloud).call("POST", SERVICE, f"/servers/{server}/remote-consoles", body)
    return str(made["remote_console"]["url"])


async def _console_page(cloud: Cloud, url: str) -> str:
    page = url.partition("?")[0]
    async with cloud.http.get(page) as answer:
        text = await answer.text(errors="replace")
    if answer.status != 200 or "noVNC" not in text:
        raise QuorateError(f"the console {page} answered {answer.status}, without a console in it")
    return page


async def log(cloud: Cloud, server: str, *, lines: int = 20) -> str:
    """The last lines of the server's own console log."""
    body = {"os-getConsoleOutput": {"length": lines}}
    return str((await versioned(cloud).call("POST", SERVICE, f"/servers/{server}/action", body))["output"])


async def live_migrate(cloud: Cloud, server: str, *, within_s: float = MOVE_S) -> str:
    """Move a running server to another host, chosen by the scheduler. ``cloud`` is an administrator's.

    Raises:
        QuorateError: it is still where it was, with what became of the migration.
    """
    before, past = (await show(cloud, server))[HOST], len(await _migrations(cloud, server))
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    await versioned(cloud).call("POST", SERVICE, f"/servers/{server}/action", body)
    last = "none was made"

    async def look() -> tuple[bool, str]:
        nonlocal last
        found = await _migrations(cloud, server)
        if len(found) == past:  # not made yet, or given up before it was
            return not (await show(cloud, server)).get("OS-EXT-STS:task_state"), last
        last = f"{found[0]['status']}, to {found[0]['dest_compute']}"
        return found[0]["status"] in MOVED, last

    ends = time.monotonic() + within_s
    await until(f"the migration of the server {server} is over", look, within_s)
    after = (await active(cloud, server, within_s=max(0.0, ends - time.monotonic())))[HOST]
    if after == before:
        raise QuorateError(f"the server {server} is still on {before}: its migration: {last}")
    return f"{before} to {after}"


async def _migrations(cloud: Cloud, server: str) -> list[Json]:
    """The migrations of ``server``, the last one first. For administrators."""
    path = f"/os-migrations?instance_uuid={server}"
    return list((await versioned(cloud).call("GET", SERVICE, path))["migrations"])


async def delete(cloud: Cloud, server: str, *, within_s: float = GONE_S) -> None:
    """Remove ``server`` and see that it is gone. One that is not there is gone already."""
    await versioned(cloud).call("DELETE", SERVICE, f"/servers/{server}", good=(204, 404))
    looks, seen = itertools.count(), ""

    async def look() -> tuple[bool, str]:
        nonlocal seen
        if next(looks) % FULL_EVERY and await _listed(cloud, server):
            return False, seen
        answer = await versioned(cloud).raw("GET", SERVICE, f"/servers/{server}", good=(200, 404))
        if answer.status == 404:
            return True, "gone"
        found = (await answer.json())["server"]
        # One that was in error before may be under way all the same.
        if found["status"] == "ERROR" and not found.get("OS-EXT-STS:task_state"):
            said = await why(cloud, server, found)
            raise QuorateError(f"the server {server} cannot be deleted: {said}")
        seen = f"{found['status']}, {found.get('OS-EXT-STS:task_state') or 'nothing under way'}"
        return False, seen

    await until(f"the server {server} is gone", look, within_s)


async def left(cloud: Cloud) -> list[str]:
    """Names of the project's servers: none, where everything was deleted."""
    found = (await versioned(cloud).call("GET", SERVICE, "/servers"))["servers"]
    return sorted(str(one["name"]) for one in found)


async def owned(cloud: Cloud, project: str = "") -> list[str]:
    """Ids of the servers of ``project``; of the account's own where none is named.

    Args:
        cloud: an administrator's, where a project is named.
        project: its id.
    """
    query = f"?all_tenants=true&project_id={project}" if project else ""
    found = (await versioned(cloud).call("GET", SERVICE, f"/servers{query}"))["servers"]
    return [str(one["id"]) for one in found]
