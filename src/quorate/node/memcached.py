"""Whether a memcached stores a value and returns it (protocol.txt of memcached, text protocol)."""

from __future__ import annotations

import os
import socket
from typing import Any


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Store a random value under a key of its own and read it back.

    Args:
        args: ``host``, ``port``, and ``timeout_s`` for each step.

    Returns:
        ``kept``, ``connections``; or ``error``.
    """
    value = os.urandom(8).hex().encode()
    try:
        with (
            socket.create_connection((args["host"], args["port"]), float(args.get("timeout_s", 1.0))) as peer,
            peer.makefile("rwb") as stream,
        ):
            stream.write(
                b"set quorate-probe 0 60 %d\r\n%s\r\nget quorate-probe\r\nstats\r\n" % (len(value), value)
            )
            stream.flush()
            stored, head, found = (stream.readline().strip() for _ in range(3))
            stats = {}
            for raw in stream:
                words = raw.split()
                if words[:1] == [b"STAT"]:
                    stats[words[1].decode()] = words[2].decode() if len(words) > 2 else ""
                elif stats and words[:1] == [b"END"]:
                    break
    except (OSError, ValueError) as error:
        return {"kept": False, "error": str(error)}
    kept = stored == b"STORED" and head.startswith(b"VALUE") and found == value
    return {"kept": kept, "connections": int(stats.get("curr_connections") or 0)}
