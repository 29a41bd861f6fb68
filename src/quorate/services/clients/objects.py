"""Swift, as a tenant outside uses it: through the virtual IP that the catalogue names."""

from __future__ import annotations

import hashlib
import secrets
from urllib.parse import quote

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients import cloud

TYPE = "object-store"
SIZE = 256 * 1024
OBJECT = "object"


async def store_and_fetch(outside: Outside) -> str:
    """Make a container, store an object, find and fetch it, compare, delete both; they have to be gone."""
    name, body = f"quorate-verify-{secrets.token_hex(4)}", content()
    async with cloud.login(outside) as tenant:
        try:
            await store(tenant, name, OBJECT, body)
            await compare(tenant, name, OBJECT, body)

            async def listed() -> tuple[bool, str]:
                names = await _names(tenant, f"/{name}")
                return OBJECT in names, f"{len(names)} objects listed"

            await cloud.until("the container lists its object", listed, 10)
            await tenant.raw("DELETE", TYPE, f"/{name}/{OBJECT}", good=(204, 404))
            await tenant.raw("GET", TYPE, f"/{name}/{OBJECT}", good=(404,))
        finally:
            await empty(tenant, name)
    return f"{SIZE // 1024} KiB stored, listed, fetched, compared and deleted"


def content() -> bytes:
    """Something to store that nobody else has."""
    return secrets.token_hex(SIZE // 2).encode()


async def store(tenant: cloud.Cloud, container: str, name: str, body: bytes) -> None:
    """Make the container, and store ``body`` in it. Raises QuorateError."""
    await tenant.raw("PUT", TYPE, f"/{container}", b"", good=(201, 202))
    stored = await tenant.raw("PUT", TYPE, f"/{container}/{name}", body, good=(201,))
    if stored.headers.get("Etag", "").strip('"') != _sum(body):
        raise QuorateError(
            "the object store confirmed another content than it was given", where=f"/{container}/{name}"
        )


async def compare(tenant: cloud.Cloud, container: str, name: str, body: bytes) -> None:
    """Fetch an object; raises QuorateError where it is not ``body``."""
    fetched = await tenant.raw("GET", TYPE, f"/{container}/{name}", good=(200,))
    if (await fetched.text()).encode() != body:
        raise QuorateError("an object came back with another content", where=f"/{container}/{name}")


async def containers(tenant: cloud.Cloud) -> list[str]:
    """The names of the account's containers."""
    return await _names(tenant, "")


async def empty(tenant: cloud.Cloud, container: str, *, within_s: float = 15) -> int:
    """Delete a container with all that is in it; hands back how many objects that were.

    Raises:
        QuorateError: it is not gone in time, as for one whose list of objects lags behind.
    """
    count = 0

    async def gone() -> tuple[bool, str]:
        nonlocal count
        for name in await _names(tenant, f"/{container}"):
            answer = await tenant.raw("DELETE", TYPE, f"/{container}/{quote(name)}", good=(204, 404))
            count += answer.status == 204
        answer = await tenant.raw("DELETE", TYPE, f"/{container}", good=(204, 404, 409))
        return answer.status != 409, f"deleting it was answered with {answer.status}"

    await cloud.until(f"the container {container} is empty and goes", gone, within_s)
    return count


async def _names(tenant: cloud.Cloud, path: str) -> list[str]:
    """What the account, or a container, lists; nothing where it is not there."""
    found = await tenant.raw("GET", TYPE, f"{path}?format=json", good=(200, 204, 404))
    return [str(entry["name"]) for entry in (await found.json() if found.status == 200 else [])]


def _sum(body: bytes) -> str:
    """As Swift sums content up (Object Storage API, ETag)."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
