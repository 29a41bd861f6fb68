"""The tenant's account: a project and a user of its own, and what days before left."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from quorate.errors import QuorateError
from quorate.services.clients.cloud import Cloud, Json, Who
from quorate.services.day.contract import ADMINISTRATOR, PREFIX, TENANT, Day, Hour, Step

TYPE = "identity"
ROLE = "member"
"""What a user of a project is by default (Keystone's own bootstrap makes it)."""
LONGEST_S = 3600.0
"""No day lasts so long: an older one is over, whoever began it."""
CLEAR_S = 300.0


def steps(service: str) -> Iterable[Step]:
    """What Keystone does in a tenant's day."""
    yield Step(
        service,
        Hour.BEFORE,
        "log in as administrator",
        _begin,
        needs=(),
        gives=(ADMINISTRATOR,),
        timeout_s=30,
    )
    needs = (ADMINISTRATOR,)
    title = "clear away what an earlier day left"
    yield Step(service, Hour.BEFORE, title, _clear_earlier, needs=needs, timeout_s=CLEAR_S)
    title = "create a project and a user, log in"
    yield Step(service, Hour.ACCOUNT, title, _account, needs=needs, gives=(TENANT,))
    yield Step(service, Hour.CLOSE, "delete the user and the project", _close, needs=needs)
    yield Step(service, Hour.GONE, "no project, no user is left", _gone, needs=needs)


def over(project: Json, host: str, now: float) -> bool:
    """Whether the day of ``project`` is over: its process is gone, or it began too long ago.

    Args:
        project: as Keystone shows it.
        host: this one's name.
        now: seconds since 1970.
    """
    began, _, _ = str(project["name"]).removeprefix(PREFIX).partition("-")
    if not began.isdecimal() or now - int(began) > LONGEST_S:
        return True
    words = str(project.get("description") or "").split()
    if len(words) < 2 or words[-2] != host or not words[-1].isdecimal():
        return False
    return not Path(f"/proc/{words[-1]}").exists()


async def _begin(day: Day) -> str:
    await day.log_in(ADMINISTRATOR)
    return f"{len(day.administrator.catalogue)} services in the catalogue"


async def _clear_earlier(day: Day) -> str:
    found = [one for one in await _projects(day.administrator) if str(one["name"]).startswith(PREFIX)]
    cleared, failed = 0, list[str]()
    for project in found:
        if not over(project, socket.gethostname(), time.time()):
            continue
        earlier = day.other(str(project["name"]))
        await _log_in(earlier)
        failed += [f"{earlier.name}: {one}" for one in await day.clear(earlier)]
        cleared += 1
    if failed:
        raise QuorateError("; ".join(failed))
    others = f", {len(found) - cleared} under way" if len(found) > cleared else ""
    return f"{cleared or 'no'} earlier day{'s' * (cleared > 1)} to clear away{others}"


async def _account(day: Day) -> str:
    await _log_in(day)
    return f"{day.name}, role {ROLE}"


async def _log_in(day: Day) -> None:
    """Make what is missing of the day's project and user, and log in as that user with a new password."""
    admin, password = day.administrator, secrets.token_urlsafe(24)
    project = await _named(admin, "projects", day.name)
    if project is None:
        description = (
            f"A tenant's day of quorate verify; host and process: {socket.gethostname()} {os.getpid()}"
        )
        body = {"name": day.name, "description": description}
        project = (await admin.call("POST", TYPE, "/projects", {"project": body}))["project"]
    day.made[TENANT] = str(project["id"])
    user = await _named(admin, "users", day.name)
    if user is None:
        body = {"name": day.name, "password": password, "default_project_id": str(project["id"])}
        user = (await admin.call("POST", TYPE, "/users", {"user": body}))["user"]
    else:
        await admin.call("PATCH", TYPE, f"/users/{user['id']}", {"user": {"password": password}})
    role = await _named(admin, "roles", ROLE)
    if role is None:
        raise QuorateError(f"Keystone has no role {ROLE}")
    await admin.call("PUT", TYPE, f"/projects/{project['id']}/users/{user['id']}/roles/{role['id']}")
    await day.log_in(TENANT, Who(day.name, password, day.name))


async def _close(day: Day) -> str:
    gone = 0
    for kind in ("users", "projects"):
        if (one := await _named(day.administrator, kind, day.name)) is not None:
            await day.administrator.call("DELETE", TYPE, f"/{kind}/{one['id']}", good=(204, 404))
            gone += 1
    return f"{day.name}: {gone} deleted"


async def _gone(day: Day) -> str:
    kinds = ("users", "projects")
    rest = [kind for kind in kinds if await _named(day.administrator, kind, day.name) is not None]
    if rest:
        raise QuorateError(f"{day.name} is still among the {' and the '.join(rest)}")
    return f"Keystone lists no {day.name}"


async def _projects(admin: Cloud) -> list[Json]:
    return list((await admin.call("GET", TYPE, "/projects?domain_id=default"))["projects"])


async def _named(admin: Cloud, kind: str, name: str) -> Json | None:
    """The user, project or role called ``name``."""
    domain = "" if kind == "roles" else "&domain_id=default"
    found = (await admin.call("GET", TYPE, f"/{kind}?name={name}{domain}"))[kind]
    return dict(found[0]) if found else None
