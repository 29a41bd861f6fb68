#!/usr/bin/python3
"""Restarts this node's message broker where a network fault has left it apart from the larger side.

The broker's own ``pause_minority`` acts when a member sees its peers go. Where the network is back before
both sides have seen that, all go on running and stay apart for good ("running partitioned network"): what
the two sides hold of queues and users differs from then on. Only a restart of the smaller side joins them.

Usage: rabbitmq-watch.py FILE, with {"url", "user", "password", "node", "members"} of the broker's management
interface and "port", on which brokers take connections, as JSON. Written by quorate.
"""

import base64
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNIT = "rabbitmq-server.service"
EVERY_S = 10.0
LOOKS = 3
"""A split has to be seen so many times in a row: one that just heals is left alone."""
PATIENCE_S = 3.0
RESTART_S = 300.0
PATH = "/api/nodes?columns=name,running,partitions"


def apart(nodes: list[dict[str, Any]], own: str, members: int, serves: Callable[[str], bool]) -> bool:
    """Whether ``own`` is not with most of the ``members``, though others run: it says so, or they serve."""
    mine = next((one for one in nodes if one.get("name") == own), {})
    others: list[str] = mine.get("partitions") or []
    gone = [str(one.get("name")) for one in nodes if not one.get("running")]
    # Those on the other side count as running, once the network is back, or as gone without a word of it.
    side = min(len(nodes) - len(gone), members - len(others))
    return side * 2 <= members and (bool(others) or any(serves(name) for name in gone))


def listens(name: str, port: int) -> bool:
    """Whether the broker ``name`` (rabbit@HOST) takes connections."""
    try:
        with socket.create_connection((name.partition("@")[2], port), PATIENCE_S):
            return True
    except OSError:
        return False


def ask(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """What the broker knows of its cluster. Raises OSError or ValueError where it does not answer."""
    words = base64.b64encode(f"{settings['user']}:{settings['password']}".encode()).decode()
    request = urllib.request.Request(settings["url"] + PATH, headers={"Authorization": f"Basic {words}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE_S) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def look(settings: dict[str, Any], seen: int) -> int:
    """How often in a row it was apart, after one more look; a broker that does not answer starts anew."""
    try:
        split = apart(
            ask(settings),
            settings["node"],
            int(settings["members"]),
            lambda name: listens(name, int(settings["port"])),
        )
    except (OSError, ValueError):
        return 0
    return seen + 1 if split else 0


def main(path: str) -> None:
    """Look, for good."""
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    seen = 0
    while True:
        seen = look(settings, seen)
        if seen >= LOOKS:
            sys.stdout.write(f"{UNIT} is apart from the larger side of its cluster: restarting it\n")
            sys.stdout.flush()
            subprocess.run(["systemctl", "restart", UNIT], timeout=RESTART_S, check=False)
            seen = 0
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1])
