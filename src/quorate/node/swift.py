"""Whether this node's part of the object store does its job: servers, rings, replication, devices."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import time
from typing import Any

from quorate.node import host, openstack, tools

WAITS = True
LAST = {
    "account": "replication_last",
    "container": "replication_last",
    "object": "object_replication_last",
}
"""Where Swift's recon middleware says when a replicator has last been through everything, by ring."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the storage servers of this node, and the others which rings they have.

    Args:
        args: ``address`` of this node; ``ports`` (ring to port); ``peers`` (node to address); ``root`` and
            ``devices`` below it; ``mounted``: whether these have to be mount points; ``units`` that have to
            be active; ``timeout_s`` of each request.

    Returns:
        ``servers`` (ring to "", or why its server does not answer), ``rings`` (name to MD5), ``others`` (node
        to the rings that it has otherwise), ``replicated_s`` (ring to the age of its last replication; None:
        never), ``quarantined`` copies, ``pending`` updates of containers, ``missing`` devices, ``used``
        (device to percent), ``stopped`` units and ``uptime_s``.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        own = {ring: pool.submit(_server, args, ring, port) for ring, port in args["ports"].items()}
        theirs = {
            node: pool.submit(_recon, address, args["ports"]["object"], "ringmd5", args["timeout_s"])
            for node, address in args["peers"].items()
        }
        facts = {ring: future.result() for ring, future in own.items()}
        rings = {ring: _md5(f"/etc/swift/{ring}.ring.gz") for ring in args["ports"]}
        others = {}
        for node, future in theirs.items():
            found = {os.path.basename(path).split(".")[0]: md5 for path, md5 in future.result().items()}
            # Who does not answer says so in its own look.
            if found and (differing := sorted(ring for ring in rings if found.get(ring) != rings[ring])):
                others[node] = differing
    now = time.time()
    lasts = {ring: facts[ring].get(LAST[ring]) for ring in facts}
    paths = {name: os.path.join(args["root"], name) for name in args["devices"]}
    missing = [name for name, path in paths.items() if not _there(path, args["mounted"])]
    return {
        "servers": {ring: facts[ring].get("error", "") for ring in facts},
        "rings": rings,
        "others": others,
        "replicated_s": {ring: round(now - last, 1) if last else None for ring, last in lasts.items()},
        "quarantined": facts["object"].get("quarantined", 0),
        "pending": facts["object"].get("async_pending") or 0,
        "missing": missing,
        "used": {name: host.used_percent(path) for name, path in paths.items() if name not in missing},
        "stopped": _stopped(args["units"]),
        "uptime_s": host.uptime_s(),
    }


def _server(args: dict[str, Any], ring: str, port: int) -> dict[str, Any]:
    """What the server of ``ring`` on this node tells; ``error`` where it does not answer."""
    base, timeout_s = f"http://{args['address']}:{port}", float(args["timeout_s"])
    try:
        answer = openstack.ask(f"{base}/healthcheck", timeout_s=timeout_s)
    except OSError as error:
        return {"error": str(getattr(error, "reason", "") or error)}
    if answer.status != 200:
        return {"error": f"answered {answer.status}"}
    facts = _recon(args["address"], port, f"replication/{ring}", timeout_s)
    if ring == "object":
        counts = _recon(args["address"], port, "quarantined", timeout_s)
        facts["quarantined"] = sum(int(counts.get(key, 0)) for key in ("accounts", "containers", "objects"))
        facts |= _recon(args["address"], port, "async", timeout_s)
    return facts


def _recon(address: str, port: int, what: str, timeout_s: float) -> dict[str, Any]:
    """What the recon middleware of a server tells; nothing where it does not answer."""
    try:
        return openstack.ask(f"http://{address}:{port}/recon/{what}", timeout_s=float(timeout_s)).body
    except OSError:
        return {}


def _md5(path: str) -> str:
    """Of a file, as Swift's own tools compare rings; "" where it is not there."""
    try:
        with open(path, "rb") as file:
            return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return ""


def _there(path: str, mounted: bool) -> bool:
    return os.path.ismount(path) if mounted else os.path.isdir(path)


def _stopped(units: list[str]) -> list[str]:
    """Those of ``units`` that are not active."""
    done = tools.run(["systemctl", "is-active", "--", *units], timeout_s=5)
    states = done.out.split()
    if len(states) != len(units):
        raise tools.Failed("systemd does not tell about Swift's units", done.words)
    return [unit for unit, state in zip(units, states, strict=True) if state not in ("active", "reloading")]
