"""Rows out of an OVSDB database, as the ``--format=json`` of ovs-vsctl(8) and its relatives prints them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from quorate.node import tools

Row = dict[str, Any]


def tables(argv: Sequence[str], what: str, timeout_s: float = 6.0) -> list[list[Row]]:
    """Run ``argv``, which prints one table for each of its ``list`` or ``find`` commands.

    Raises:
        NotReady: it fails; ``what`` says what that means.
    """
    done = tools.run(argv, timeout_s=timeout_s)
    if done.exit != 0:
        raise tools.NotReady(what, done.words)
    return parse(done.out)


def parse(text: str) -> list[list[Row]]:
    """Tables, each a list of rows by column."""
    found = []
    decoder, position = json.JSONDecoder(), 0
    while (rest := text[position:].lstrip()) != "":
        position = len(text) - len(rest)
        table, length = decoder.raw_decode(rest)
        position += length
        heads = table["headings"]
        found.append([dict(zip(heads, map(value, row), strict=True)) for row in table["data"]])
    return found


def value(raw: Any) -> Any:
    """RFC 7047, 5.1: sets become lists, maps become dicts, identifiers their text."""
    if isinstance(raw, list) and len(raw) == 2:
        kind, content = raw
        if kind == "map":
            return {value(key): value(item) for key, item in content}
        if kind == "set":
            return [value(item) for item in content]
        if kind in ("uuid", "named-uuid"):
            return content
    return raw
