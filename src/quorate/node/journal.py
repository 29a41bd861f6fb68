"""What this node's journal says about requests, found by their ids."""

from __future__ import annotations

import json
import re
from typing import Any

from quorate.node import tools

WORTH = re.compile(r"\b(WARNING|ERROR|CRITICAL|TRACE)\b")
"""How OpenStack's programs mark what went wrong (oslo.log)."""
SCANNED = 400
"""Lines that are looked at, the newest."""
LENGTH = 400
"""Of a line that is carried home."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``lines``: "unit: message", oldest first; those that are marked as worse than INFO before the others.

    Args:
        args: ``ids`` of the requests; ``since_s``, how far back; ``lines``, how many at most; ``timeout_s``.
    """
    pattern = "|".join(re.escape(one) for one in args["ids"])
    words = ["journalctl", "--no-pager", "--output=json", "--output-fields=MESSAGE,_SYSTEMD_UNIT"]
    words += [f"--since=-{int(args['since_s'])}s", f"--grep={pattern}", f"--lines={SCANNED}"]
    # 1: no line has one of them (journalctl(1) does not say so; it prints nothing then).
    done = tools.run(words, timeout_s=float(args["timeout_s"]))
    if done.exit not in (0, 1):
        raise tools.Failed(f"the journal cannot be read: journalctl ended with {done.exit}", done.words)
    return {"lines": chosen(done.out, int(args["lines"]))}


def chosen(text: str, most: int) -> list[str]:
    """The lines of journalctl's JSON that are worth reading, at most ``most``."""
    entries = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    # What is no text (journalctl gives bytes as numbers) has no request's id to be read either. The newest
    # comes first from journalctl where it is told how many lines.
    entries = [entry for entry in entries if isinstance(entry.get("MESSAGE"), str)]
    entries.sort(key=lambda entry: int(entry.get("__REALTIME_TIMESTAMP", 0)))
    lines = [_line(entry) for entry in entries]
    bad = [line for line in lines if WORTH.search(line)]
    others = [line for line in lines if not WORTH.search(line)]
    room = max(0, most - len(bad))
    return [*bad[-most:], *others[len(others) - min(room, len(others)) :]]


def _line(entry: dict[str, Any]) -> str:
    unit = str(entry.get("_SYSTEMD_UNIT", "?")).removesuffix(".service")
    return f"{unit}: {' '.join(entry['MESSAGE'].split())}"[:LENGTH]
