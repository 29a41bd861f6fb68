"""Whether the database that runs here has read its files; if not, Pacemaker restarts it on this node."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from typing import Any

from quorate.node import tools

PID_FILE = "/run/mysqld/mysqld.pid"
CLEANUP_S = 10.0
"""crm_resource takes its ban of the node back when its own time is over; when it is killed, it does not."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``current``: it started after the newest of ``files`` was written, or does not run."""
    began = started(PID_FILE)
    newest = max((os.stat(path).st_mtime for path in args["files"] if os.path.exists(path)), default=0.0)
    return {"current": began is None or newest <= began, "running": began is not None}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Restart the clone's instance on ``node``, then wait until its page ``url`` says it is synced."""
    end = time.monotonic() + args["timeout_s"]
    argv = ["crm_resource", "--restart", "--resource", args["resource"], "--node", args["node"]]
    tools.check(
        [*argv, "--timeout", f"{args['timeout_s']:.0f}s"],
        "Pacemaker does not restart the database",
        timeout_s=args["timeout_s"] + CLEANUP_S,
    )
    if not tools.wait_until(lambda: _synced(args["url"]), end - time.monotonic()):
        raise tools.Failed("it was restarted and is not synced yet; see /var/log/mysql/error.log")


def started(pid_file: str) -> float | None:
    """When the process of ``pid_file`` started, seconds since the epoch; None without one (proc(5))."""
    try:
        with open(pid_file, encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open("/proc/uptime", encoding="ascii") as file:
            uptime = float(file.read().split()[0])
    except (OSError, ValueError):
        return None
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def _synced(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
