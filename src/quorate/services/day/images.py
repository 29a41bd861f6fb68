"""Images in a tenant's day: the one that the server is made from."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable

from quorate.errors import QuorateError
from quorate.services.clients import images
from quorate.services.day.contract import Day, Hour, Step

UPLOAD_S = 120.0


def steps(service: str) -> Iterable[Step]:
    """What Glance does in a tenant's day."""
    title = "upload the guest image"
    yield Step(service, Hour.SUPPLIES, title, _upload, gives=("image",), timeout_s=UPLOAD_S + 60)
    yield Step(service, Hour.AWAY, "delete the images", _delete)
    yield Step(service, Hour.GONE, "no image is left", _gone)


async def _upload(day: Day) -> str:
    if day.outside.guest is None:
        raise QuorateError("no image to make servers from was handed in")
    path = await day.outside.guest()
    content = await asyncio.to_thread(path.read_bytes)
    day.made["image"] = image = await images.create(day.tenant, day.name)
    await images.upload(day.tenant, image, content, timeout_s=UPLOAD_S)
    known = await images.ready(day.tenant, image)
    if known["os_hash_value"] != hashlib.sha512(content).hexdigest():
        raise QuorateError(f"the image {image} has another checksum than what was uploaded")
    return f"{len(content) >> 20} MiB, checksum compared"


async def _delete(day: Day) -> str:
    mine = await images.owned(day.tenant, day.project)
    for image in mine:
        await images.delete(day.tenant, image)
    return f"{len(mine)} deleted"


async def _gone(day: Day) -> str:
    rest = await images.owned(day.administrator, day.project)
    if rest:
        raise QuorateError(f"there is still: image {', '.join(rest)}")
    return "Glance lists none"
