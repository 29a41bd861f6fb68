"""What a host knows of itself: its addresses, how long it has been up, its clock, its room."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from quorate.node import tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Read the host.

    Args:
        args: ``paths``, the folders whose file systems are measured; those that do not exist are left out.

    Returns:
        ``addresses`` (IPv4, all interfaces that are up), ``uptime_s``, ``time_s`` (Unix time), ``disks``
        (path to the percentage used) and ``memory_available_mib``.
    """
    return {
        "addresses": addresses(),
        "uptime_s": uptime_s(),
        "time_s": time.time(),
        "disks": {path: used_percent(path) for path in args.get("paths", ["/"]) if Path(path).exists()},
        "memory_available_mib": memory_available_mib(),
    }


def addresses() -> list[str]:
    """Every IPv4 address of an interface that is up, loopback left out."""
    argv = ["ip", "-json", "-4", "address", "show", "up"]
    listed = tools.check(argv, "the addresses cannot be read", timeout_s=3).out
    return sorted(
        entry["local"]
        for interface in json.loads(listed)
        if interface.get("ifname") != "lo"
        for entry in interface.get("addr_info", [])
        if "local" in entry
    )


def uptime_s() -> float:
    """Seconds since the host's first process started: also right where the kernel is older than the host."""
    started = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return round(float(Path("/proc/uptime").read_text().split()[0]) - started, 1)


def used_percent(path: str) -> float:
    """How full the file system of ``path`` is for those who are not root, as df(1) counts it."""
    found = os.statvfs(path)
    used = found.f_blocks - found.f_bfree
    room = used + found.f_bavail
    return round(100 * used / room, 1) if room else 0.0


def memory_available_mib() -> int:
    """MemAvailable of /proc/meminfo (proc(5)), in MiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0
