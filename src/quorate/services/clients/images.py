"""Glance, as a client outside uses it: through the virtual IP, its certificate checked."""

from __future__ import annotations

import hashlib
import secrets
import time

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.cloud import Cloud, Json, until
from quorate.services.clients.identity import expect, session, token

SERVICE, PORT, TYPE = "glance", 9292, "image"
API = "/v2/images"
READY_S = 60.0
SIZE = 1 << 20
"""Bytes of the image that verify makes: more than fits into one buffer anywhere on the way."""


async def upload_and_download(outside: Outside) -> str:
    """Make an image of random bytes, upload it, download it, compare, remove it, and see that it is gone."""
    base = f"https://{outside.vips[SERVICE]}:{PORT}/v2/images"
    content = secrets.token_bytes(SIZE)
    digest = hashlib.sha512(content).hexdigest()
    async with session(outside) as client:
        headers = {"X-Auth-Token": await token(client, outside)}
        body = {
            "name": f"quorate-verify-{secrets.token_hex(4)}",
            "disk_format": "raw",
            "container_format": "bare",
            "visibility": "private",
        }
        async with client.post(base, json=body, headers=headers) as answer:
            await expect(answer, 201)
            image = f"{base}/{(await answer.json())['id']}"
        try:
            started = time.monotonic()
            kind = {"Content-Type": "application/octet-stream"}
            async with client.put(f"{image}/file", data=content, headers={**headers, **kind}) as answer:
                await expect(answer, 204)
            async with client.get(image, headers=headers) as answer:
                await expect(answer, 200)
                known = await answer.json()
            if known["status"] != "active" or known["os_hash_value"] != digest:
                raise QuorateError(f"the image is {known['status']}, with checksum {known['os_hash_value']}")
            async with client.get(f"{image}/file", headers=headers) as answer:
                await expect(answer, 200)
                came = await answer.read()
            seconds = time.monotonic() - started
            if hashlib.sha512(came).hexdigest() != digest:
                raise QuorateError(f"{len(came)} bytes came back that are not the {SIZE} that were uploaded")
        finally:
            async with client.delete(image, headers=headers) as answer:
                await expect(answer, 204)
        async with client.get(image, headers=headers) as answer:
            await expect(answer, 404)
    return f"{SIZE >> 20} MiB uploaded, downloaded and compared in {seconds:.2f} s, then removed"


async def create(cloud: Cloud, name: str) -> str:
    """A private image without content, for raw disks; hands back its id. `upload` is what it waits for."""
    body = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "private"}
    return str((await cloud.call("POST", TYPE, API, body))["id"])


async def upload(cloud: Cloud, image: str, content: bytes, *, timeout_s: float) -> None:
    """Give ``image`` its content. Raises QuorateError where Glance refuses it, TimeoutError."""
    await cloud.call("PUT", TYPE, f"{API}/{image}/file", content, timeout_s=timeout_s)


async def ready(cloud: Cloud, image: str, *, within_s: float = READY_S) -> Json:
    """Wait until servers can be made from ``image``; hands back what Glance says of it.

    Raises:
        QuorateError: it is gone (what makes it gave up), or took too long.
    """
    found: Json = {}

    async def look() -> tuple[bool, str]:
        found.update(await cloud.call("GET", TYPE, f"{API}/{image}"))
        if found["status"] in ("deleted", "killed", "pending_delete"):
            raise QuorateError(f"the image {image} is {found['status']}")
        return found["status"] == "active", str(found["status"])

    await until(f"the image {image} is active", look, within_s)
    return found


async def delete(cloud: Cloud, image: str, *, within_s: float = READY_S) -> None:
    """Remove ``image``, and see that it is gone; one that is not there is gone already.

    Glance answers 409 for as long as the storage holds it fast for a copy that is just being deleted.
    """

    async def look() -> tuple[bool, str]:
        answer = await cloud.raw("DELETE", TYPE, f"{API}/{image}", good=(204, 404, 409))
        return answer.status == 404, f"deleting it was answered with {answer.status}"

    await until(f"the image {image} is gone", look, within_s)


async def owned(cloud: Cloud, project: str) -> list[str]:
    """Ids of the images that belong to ``project``."""
    found = (await cloud.call("GET", TYPE, f"{API}?owner={project}&limit=1000"))["images"]
    return [str(one["id"]) for one in found if one["owner"] == project]
