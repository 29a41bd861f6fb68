"""Kernel settings, as they are and as they come back after a reboot."""

from __future__ import annotations

import os
from typing import Any

from quorate.node import file, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``wrong``: key to the value it has now, where that differs; ``kept``: the file says the same."""
    wrong = {}
    for key, wanted in args["settings"].items():
        now = _read(key)
        cannot = key in args["optional"] and (now is None or not os.access(_path(key), os.W_OK))
        if not cannot and now != " ".join(wanted.split()):
            wrong[key] = "missing" if now is None else now
    try:
        with open(args["file"], encoding="utf-8") as handle:
            kept = handle.read() == _text(args)
    except FileNotFoundError:
        kept = False
    return {"wrong": wrong, "kept": kept}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Write the file, then set what differs."""
    if "kept" in wrong:
        owner = {"owner": "root", "group": "root", "mode": "0644"}
        file.fix({"path": args["file"], "content": _text(args)}, owner, ["sha256"])
    for key in look(args)["wrong"]:
        try:
            with open(_path(key), "w", encoding="ascii") as handle:
                handle.write(args["settings"][key])
        except OSError as error:
            wanted = args["settings"][key]
            raise tools.Failed(f"{key} cannot be set to {wanted} on this kernel: {error.strerror}") from None


def _path(key: str) -> str:
    return "/proc/sys/" + key.replace(".", "/")


def _read(key: str) -> str | None:
    try:
        with open(_path(key), encoding="ascii") as handle:
            return " ".join(handle.read().split())
    except OSError:
        return None


def _text(args: dict[str, Any]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in sorted(args["settings"].items()))
