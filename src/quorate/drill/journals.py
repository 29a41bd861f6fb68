"""Reading the nodes' logs after a drill: only lines that mean something, with the time each was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from quorate.drill.contract import Nodes
from quorate.drill.timeline import read
from quorate.errors import TransportError

TAGS = (
    *("corosync", "haproxy", "IPaddr2"),
    *("pacemakerd", "pacemaker-controld", "pacemaker-fenced", "pacemaker-execd", "pacemaker-schedulerd"),
)
"""The syslog identifiers to read from the journal."""
FILES = ("/var/log/mysql/error.log", "/var/log/rabbitmq/rabbit.log")
"""Programs that keep a log of their own."""
TAIL_BYTES = 400_000
STAMP = re.compile(r"(\d{4}-\d\d-\d\d) +(\d{1,2}:\d\d:\d\d(?:\.\d+)?)([+-]\d\d:\d\d)?")


@dataclass(frozen=True)
class Line:
    """A line that means something: when it was written by the node's clock, what it means, and itself."""

    wall: float
    what: str
    subject: str
    text: str


async def collect(nodes: Nodes, node: str, since: float, until: float) -> list[Line]:
    """The meaningful lines of ``node`` between two moments (seconds since 1970, by the node's own clock).

    Raises:
        TransportError: the node could not be talked to.
    """
    tags = [f"--identifier={tag}" for tag in TAGS]
    window = (f"--since=@{since:.0f}", f"--until=@{until + 1:.0f}")
    fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"
    argv = ("journalctl", "--quiet", "--no-pager", "--output=json", fields, *window, *tags)
    done = await nodes.run(node, argv, timeout_s=60)
    if done.exit:
        raise TransportError(
            "its journal cannot be read", where=node, evidence=done.stderr.decode(errors="replace")
        )
    found = list(from_journal(done.stdout.decode(errors="replace")))
    zone = (await nodes.run(node, ("date", "+%:z"))).stdout.decode().strip()
    for path in FILES:
        tail = await nodes.run(node, ("tail", f"--bytes={TAIL_BYTES}", path))
        # A node need not have every program.
        if tail.exit == 0:
            found += from_file(tail.stdout.decode(errors="replace"), zone)
    return sorted((line for line in found if since <= line.wall <= until + 1), key=lambda line: line.wall)


def from_journal(text: str) -> Iterator[Line]:
    """What `journalctl --output=json` prints (an object a line, times in µs), where it means something."""
    for row in text.splitlines():
        entry = json.loads(row)
        message = entry.get("MESSAGE")
        if not isinstance(message, str):
            continue
        meaning = read(message)
        if meaning:
            wall = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
            tag = entry.get("SYSLOG_IDENTIFIER", "")
            yield Line(wall, *meaning, f"{tag}: {message}"[:300])


def from_file(text: str, zone: str) -> Iterator[Line]:
    """Lines of a program's own log that mean something. MariaDB writes whole seconds only; that is said.

    Args:
        zone: the node's offset from UTC ("+01:00"), for lines that do not say it.
    """
    for row in text.splitlines():
        stamp = STAMP.match(row)
        meaning = read(row) if stamp else None
        if stamp is None or meaning is None:
            continue
        date, time, own_zone = stamp.groups()
        when = datetime.fromisoformat(f"{date}T{time:0>8}{own_zone or zone}")
        coarse = "" if "." in time else " (its log has whole seconds only)"
        yield Line(when.timestamp(), *meaning, row[:300] + coarse)
