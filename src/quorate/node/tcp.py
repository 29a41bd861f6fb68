"""Whether a port takes connections, as seen from the node."""

from __future__ import annotations

import socket
from typing import Any

from quorate.node import tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``open``, and where it is not, ``error`` says why."""
    try:
        socket.create_connection((args["host"], args["port"]), timeout=args["timeout_s"]).close()
    except OSError as error:
        return {"open": False, "error": error.strerror or str(error)}
    return {"open": True}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait for it."""
    if not tools.wait_until(lambda: bool(look(args)["open"]), args["wait_s"]):
        where = f"{args['host']}:{args['port']}"
        raise tools.Failed(
            f"{where} takes no connection after {args['wait_s']:g} s", look(args).get("error", "")
        )
