"""A unit whose start is begun and not waited for: it goes on while other things are done."""

from __future__ import annotations

from typing import Any

from quorate.node import tools

UNDER_WAY = ("active", "activating", "reloading")
BEGIN_S = 20.0


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``begun``: the unit ``name`` runs or is starting; ``state`` as systemd calls it."""
    state = _state(args["name"])
    return {"begun": state in UNDER_WAY, "state": state}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Queue its start, and see that systemd took it up."""
    name = args["name"]
    tools.run(["systemctl", "reset-failed", name])
    tools.check(["systemctl", "start", "--no-block", "--", name], f"systemd does not start {name}")
    if not tools.wait_until(lambda: _state(name) in UNDER_WAY, BEGIN_S):
        journal = tools.run(["journalctl", "-u", name, "-n", "15", "--no-pager", "-o", "short-precise"])
        raise tools.Failed(f"{name} is {_state(name)}", journal.out.strip())


def _state(name: str) -> str:
    return tools.run(["systemctl", "show", "-p", "ActiveState", "--value", "--", name]).out.strip()
