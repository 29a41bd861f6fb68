"""The guest image's own answers (docs/guest-image.md): who it is, what disks it has, and what is on them."""

from __future__ import annotations

import hashlib

import aiohttp

from quorate.errors import QuorateError
from quorate.services.clients.cloud import Json, until

PATIENCE_S, DISK_S = 5.0, 45.0
"""For facts, which are a file; and for some MiB through an emulated disk onto three replicas."""
AGAIN_S = 0.5


async def facts(address: str) -> Json:
    """What the guest at ``address`` says of itself. Raises OSError, aiohttp.ClientError, TimeoutError."""
    return await _ask("GET", f"http://{address}/", PATIENCE_S)


async def answers(
    address: str, *, instance: str, boot: str = "", within_s: float, every_s: float = AGAIN_S
) -> Json:
    """Wait until the guest answers with its metadata; hands back its facts.

    Args:
        address: where it is reached.
        instance: id of the server; that of its metadata has to be the same.
        boot: id of the boot that it has to be still; empty: any.
        within_s: deadline, seconds.
        every_s: between two looks.

    Raises:
        QuorateError: it did not, with what was seen last; or it was started again.
    """
    found: Json = {}

    async def look() -> tuple[bool, str]:
        said = await _now(address)
        if isinstance(said, str):
            return False, said
        found.update(said)
        known = found.get("instance_id") or "nothing"
        return known == instance, f"it answers, its metadata says that it is {known}"

    await until(f"the server answers at http://{address}/", look, within_s, every_s)
    if boot and found["boot_id"] != boot:
        raise QuorateError(f"the server was started again: boot {found['boot_id']}, before {boot}")
    return found


async def disk(address: str, volume: str, *, within_s: float) -> str:
    """The name ("vdb") that the guest gave to ``volume``, waited for until it sees the disk."""
    names: list[str] = []

    async def look() -> tuple[bool, str]:
        said = await _now(address)
        if isinstance(said, str):
            return False, said
        disks = said["disks"]
        # A disk's serial has room for the first 20 characters of the volume's id (virtio specification).
        names[:] = [str(one["name"]) for one in disks if one["serial"] and volume.startswith(one["serial"])]
        return bool(names), ", ".join(f"{one['name']} {one['serial']}".strip() for one in disks) or "no disk"

    await until(f"the guest sees the volume {volume}", look, within_s)
    return names[0]


async def write(address: str, disk: str, *, mib: int, seed: str) -> None:
    """Fill the first MiB of ``disk`` from within the guest, and compare what the disk holds then.

    Raises:
        QuorateError: the guest cannot write, or what it reads is not what was written.
    """
    path = f"http://{address}/cgi-bin/disk?name={disk}&mib={mib}&seed={seed}"
    _compare(await _ask("POST", path, DISK_S), disk, mib, seed)


async def read(address: str, disk: str, *, mib: int, seed: str) -> None:
    """See that ``disk`` still holds what `write` wrote. Raises QuorateError where it does not."""
    _compare(
        await _ask("GET", f"http://{address}/cgi-bin/disk?name={disk}&mib={mib}", DISK_S), disk, mib, seed
    )


def content(mib: int, seed: str) -> str:
    """SHA-256 of what `write` writes."""
    line, size = f"{seed}\n".encode(), mib << 20
    return hashlib.sha256((line * (size // len(line) + 1))[:size]).hexdigest()


async def _now(address: str) -> Json | str:
    """Its facts, or why there are none just now."""
    try:
        return await facts(address)
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        return f"no answer ({' '.join((type(error).__name__, str(error))).strip()})"


def _compare(said: Json, disk: str, mib: int, seed: str) -> None:
    if said.get("sha256") != content(mib, seed):
        raise QuorateError(f"{disk} does not hold what was written to it", evidence=str(said))


async def _ask(method: str, url: str, timeout_s: float) -> Json:
    limit = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(timeout=limit) as client, client.request(method, url) as answer:
        text = await answer.text()
        if answer.status != 200:
            raise QuorateError(f"{method} {url} answered {answer.status}: {text[:200]}")
        return dict(await answer.json(content_type=None))
