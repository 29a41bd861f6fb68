"""HAProxy as it sees itself: which servers are up, read from its administration socket."""

from __future__ import annotations

import csv
import io
import socket
from typing import Any

from quorate.node import tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``show stat`` on the socket (management.txt, 9.1 and 9.3).

    Args:
        args: ``socket``; ``timeout_s``.

    Returns:
        ``servers``: back end to server to its state ("UP", "DOWN", "UP 1/2", "MAINT" …); ``why``: the same
        shape, what the last check of those that are not UP said; ``sessions``: how many each has now.

    Raises:
        NotReady: HAProxy does not run here, or does not answer.
    """
    servers: dict[str, dict[str, str]] = {}
    why: dict[str, dict[str, str]] = {}
    sessions: dict[str, dict[str, int]] = {}
    for row in csv.DictReader(
        io.StringIO(ask(args["socket"], "show stat", float(args["timeout_s"])).lstrip("# "))
    ):
        # type 2 is a server; the tables of peers have none. One without a check has no state of its own.
        if row.get("type") != "2" or row["status"] == "no check":
            continue
        backend, server = row["pxname"], row["svname"]
        servers.setdefault(backend, {})[server] = row["status"]
        sessions.setdefault(backend, {})[server] = int(row["scur"] or 0)
        if not row["status"].startswith("UP"):
            text = " ".join(
                filter(None, (row.get("check_status"), row.get("check_code"), row.get("last_chk")))
            )
            why.setdefault(backend, {})[server] = text
    return {"servers": servers, "why": why, "sessions": sessions}


def ask(path: str, command: str, timeout_s: float) -> str:
    """One command on the administration socket, and its whole answer."""
    parts = []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(path)
            connection.sendall(command.encode() + b"\n")
            while data := connection.recv(65536):
                parts.append(data)
    except OSError as error:
        raise tools.NotReady(f"HAProxy does not answer on {path}", str(error)) from None
    return b"".join(parts).decode(errors="replace")
