"""OVN's centre on this node: its two databases, northd, and whether a change goes through all of it."""

from __future__ import annotations

import signal
import time
from typing import Any

from quorate.node import raft, tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask each part, and have one number carried from the northbound into the southbound database.

    Args:
        args: ``databases``, a short name to the arguments of `raft.look`; ``northbound``, where that database
            is; ``timeout_s`` for the number's way.

    Returns:
        ``databases``: short name to what `raft.look` returns, or to ``error``; ``northd``: "active",
        "standby", "paused" or ""; ``synced`` and, where it was, ``ms``; ``why`` it was not.
    """
    databases: dict[str, Any] = {}
    for name, one in args["databases"].items():
        try:
            databases[name] = raft.look(one)
        except tools.Failed as error:
            databases[name] = {"error": error.evidence or str(error)}
    status = tools.run(["ovn-appctl", "--timeout=3", "-t", "ovn-northd", "status"], timeout_s=4)
    begun = time.monotonic()
    seconds = max(1, int(args["timeout_s"]))
    argv = ["ovn-nbctl", f"--db={args['northbound']}", f"--timeout={seconds}", "--wait=sb", "sync"]
    done = tools.run(argv, timeout_s=seconds + 1)
    return {
        "databases": databases,
        "northd": status.out.strip().removeprefix("Status: ") if status.exit == 0 else "",
        "synced": done.exit == 0,
        "ms": round(1000 * (time.monotonic() - begun)),
        "why": _why(done, seconds),
    }


def _why(done: tools.Done, seconds: int) -> str:
    """OVN's clients end themselves with SIGALRM when their time is over."""
    if done.exit == 0:
        return ""
    late = done.exit == -signal.SIGALRM or "Alarm clock" in done.words
    return f"not within {seconds} s" if late or not done.words else done.words.splitlines()[-1]
