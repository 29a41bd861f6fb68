"""Placement, as a scheduler uses it: through the virtual IP, its certificate checked."""

from __future__ import annotations

import secrets
import uuid

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.cloud import Cloud
from quorate.services.clients.identity import expect, session, token

SERVICE, PORT = "placement", 8778
VERSION = "placement 1.39"
"""Microversion of 2023.1, which everything since understands (Placement's API reference)."""
AMOUNT = 7


async def keep_and_find(outside: Outside) -> str:
    """Make a resource provider, give it an inventory, have it found by what it offers, and remove it."""
    base = f"https://{outside.vips[SERVICE]}:{PORT}"
    identifier, kind = str(uuid.uuid4()), f"CUSTOM_QUORATE_{secrets.token_hex(4).upper()}"
    async with session(outside) as client:
        headers = {"X-Auth-Token": await token(client, outside), "OpenStack-API-Version": VERSION}
        provider = f"{base}/resource_providers/{identifier}"

        async def send(method: str, url: str, status: int, body: object = None) -> dict[str, object]:
            async with client.request(method, url, json=body, headers=headers) as answer:
                await expect(answer, status)
                return dict(await answer.json()) if status == 200 else {}

        await send("PUT", f"{base}/resource_classes/{kind}", 201)
        try:
            body = {"uuid": identifier, "name": f"quorate-verify-{identifier[:8]}"}
            await send("POST", f"{base}/resource_providers", 200, body)
            try:
                inventory = {"resource_provider_generation": 0, "inventories": {kind: {"total": AMOUNT}}}
                await send("PUT", f"{provider}/inventories", 200, inventory)
                found = await send("GET", f"{base}/allocation_candidates?resources={kind}:{AMOUNT}", 200)
                summaries = found["provider_summaries"]
                if not isinstance(summaries, dict) or identifier not in summaries:
                    raise QuorateError(f"what has {AMOUNT} of {kind} is not found by asking for it")
            finally:
                await send("DELETE", provider, 204)
        finally:
            await send("DELETE", f"{base}/resource_classes/{kind}", 204)
    return f"{AMOUNT} {kind} kept, found and removed"


async def allocations(cloud: Cloud, consumer: str) -> list[str]:
    """Ids of the providers that keep room for ``consumer``, a server. ``cloud`` is an administrator's."""
    versioned = cloud.version(OpenStack_API_Version=VERSION)
    return sorted((await versioned.call("GET", SERVICE, f"/allocations/{consumer}"))["allocations"])
