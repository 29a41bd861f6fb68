"""The storage cluster on this node: what each daemon says of itself, and what the monitors say of the whole.

Daemons are asked through their admin sockets, which answer without any other daemon. The monitors are asked
by the program `PROGRAM`, which uses Debian's librados and gives up in time.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from typing import Any

from quorate.node import tools

PROGRAM = "/usr/local/lib/quorate/ceph-ask"
SOCKETS = "/run/ceph"
LEAST_S = 0.1
"""What a daemon gets to answer, however long the others took: a healthy one takes milliseconds."""
KEPT_CHECKS = 12
"""Complaints of Ceph's that are carried home."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """How Ceph is, seen from here.

    Args:
        args: ``node``, ``mon`` (whether this node has a monitor and a manager), ``osds`` (numbers of the OSDs
            here), ``client`` to ask as, ``timeout_s`` for all daemons
            here together, and for each question to the monitors.

    Returns:
        ``mon`` and ``osds`` (by number) in the daemons' own words, ``mgr`` (whether it answers),
        ``cluster`` as `summary` says; each of them ``{"error": …}`` where it did not answer.
    """
    timeout_s, node = float(args["timeout_s"]), args["node"]
    # Hung ones share one deadline, so that the monitors are still asked in time.
    until = time.monotonic() + timeout_s
    state: dict[str, Any] = {"osds": {str(number): _osd(number, until) for number in args["osds"]}}
    if args["mon"]:
        state["mon"] = _mon(node, until)
        state["mgr"] = _mgr(node, until)
    try:
        commands = ({"prefix": "status"}, {"prefix": "health", "detail": "detail"}, {"prefix": "osd dump"})
        said = [json.loads(text) for text in ask([mon(one) for one in commands], args["client"], timeout_s)]
        state["cluster"] = summary(*said)
    except tools.Failed as failure:
        state["cluster"] = {"error": str(failure)}
    return state


def mon(command: dict[str, Any], text: str = "") -> dict[str, Any]:
    """A step for `ask`: a command of the monitors."""
    return {"to": "mon", "command": command, "input": text}


def ask(steps: list[dict[str, Any]], client: str, timeout_s: float) -> list[str]:
    """Do ``steps`` over one connection and return what each said.

    Raises:
        tools.NotReady: no monitor in quorum answered.
        tools.Failed: a step was refused, with Ceph's words.
    """
    answers = answers_of(steps, client, timeout_s)
    for step, said in zip(steps, answers, strict=False):
        if said["code"]:
            raise tools.Failed(f"Ceph refuses: {_name(step)}", f"errno {said['code']}: {said['err']}")
    return [said["out"] for said in answers]


def answers_of(steps: list[dict[str, Any]], client: str, timeout_s: float) -> list[dict[str, Any]]:
    """As `ask`, refusals handed back: ``code`` (errno; 0 is good), ``out``, ``err``; the first ends it."""
    if not os.path.exists(PROGRAM):
        raise tools.NotReady(f"there is no {PROGRAM} yet")
    request = json.dumps({"client": client, "timeout_s": timeout_s, "steps": steps})
    done = tools.check(
        [PROGRAM], "Ceph cannot be asked", stdin=request, timeout_s=(timeout_s + 1) * (len(steps) + 1)
    )
    told = json.loads(done.out)
    if "error" in told:
        raise tools.NotReady(f"no monitor in quorum answers: {told['error']}")
    return list(told["answers"])


def _name(step: dict[str, Any]) -> str:
    """What a step is, without what may be secret in it."""
    if step["to"] in ("mon", "mgr"):
        return str(step["command"]["prefix"])
    return f"{step.get('do', 'prepare')} in the pool {step['pool']}"


def daemon(name: str, command: str, timeout_s: float) -> Any:
    """What the daemon ``name`` ("osd.0") answers at its admin socket. Raises tools.NotReady."""
    path = f"{SOCKETS}/ceph-{name}.asok"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            link.connect(path)
            link.sendall(json.dumps({"prefix": command, "format": "json"}).encode() + b"\0")
            size = struct.unpack(">I", _read(link, 4))[0]
            return json.loads(_read(link, size))
    except (OSError, ValueError, struct.error) as error:
        raise tools.NotReady(f"{name} does not answer at {path}: {error}") from None


def _read(link: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size and (part := link.recv(size - len(parts))):
        parts += part
    return parts


def _left(until: float) -> float:
    return max(LEAST_S, until - time.monotonic())


def _mon(node: str, until: float) -> dict[str, Any]:
    try:
        said = daemon(f"mon.{node}", "mon_status", _left(until))
    except tools.Failed as failure:
        return {"error": str(failure)}
    return {"state": said["state"]}


def _mgr(node: str, until: float) -> dict[str, Any]:
    try:
        daemon(f"mgr.{node}", "version", _left(until))
    except tools.Failed as failure:
        return {"error": str(failure)}
    return {"answers": True}


def _osd(number: int, until: float) -> dict[str, Any]:
    try:
        said = daemon(f"osd.{number}", "status", _left(until))
    except tools.Failed as failure:
        return {"error": str(failure)}
    return {"state": said["state"]}


def summary(status: dict[str, Any], health: dict[str, Any], dump: dict[str, Any]) -> dict[str, Any]:
    """What is worth carrying home of ``ceph status``, ``ceph health detail`` and ``ceph osd dump``.

    Returns:
        ``quorum`` (names), ``mgr`` (whether one is active), ``standbys``, ``osds`` (number to ``up`` and
        ``in``), ``pgs`` (state to count), ``used_percent``, ``free_mib``, ``checks`` (code to ``severity``,
        ``summary``, ``detail``).
    """
    checks = {
        code: {
            "severity": check["severity"],
            "summary": check["summary"]["message"],
            "detail": [one["message"] for one in check.get("detail", ())][:5],
        }
        for code, check in list(health.get("checks", {}).items())[:KEPT_CHECKS]
        if not check.get("muted")
    }
    groups, manager = status["pgmap"], status["mgrmap"]
    total = groups.get("bytes_total", 0)
    return {
        "quorum": list(status["quorum_names"]),
        "mgr": bool(manager["available"]),
        "standbys": int(manager.get("num_standbys", 0)),
        "osds": {str(one["osd"]): {"up": bool(one["up"]), "in": bool(one["in"])} for one in dump["osds"]},
        "pgs": {one["state_name"]: one["count"] for one in groups.get("pgs_by_state", ())},
        "used_percent": round(100 * groups.get("bytes_used", 0) / total, 1) if total else 0.0,
        "free_mib": groups.get("bytes_avail", 0) >> 20,
        "checks": checks,
    }
