"""Debian packages: what is missing, read from dpkg's own status file; installed with nothing started."""

from __future__ import annotations

import os
import stat
from typing import Any

from quorate.node import tools

STATUS = "/var/lib/dpkg/status"
GUARD = "/usr/sbin/policy-rc.d"
SAVED = GUARD + ".quorate-saved"
MARK = "# quorate: nothing starts by being installed"
LOCK_WAIT_S = 120
"""How long apt waits for another apt or dpkg."""


def look_many(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``missing``: the names that are not installed."""
    there = installed(STATUS)
    return [{"missing": [name for name in args["names"] if name not in there]} for args in items]


def installed(path: str) -> set[str]:
    """The packages that are installed and configured."""
    with open(path, "rb") as handle:
        stanzas = ("\n" + handle.read().decode(errors="replace")).split("\nPackage: ")[1:]
    return {one[: one.index("\n")] for one in stanzas if "\nStatus: install ok installed\n" in one[:200]}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Install the missing ones. Where that fails, fetch the package lists and try once more."""
    missing = look_many([args])[0]["missing"]
    apt = ["apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={LOCK_WAIT_S}", "-o", "Dpkg::Use-Pty=0"]
    options: dict[str, Any] = {"env": {"DEBIAN_FRONTEND": "noninteractive"}, "timeout_s": 3600.0}
    install = [*apt, "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "install", *missing]
    with _Guard():
        if os.listdir("/var/lib/dpkg/updates"):
            tools.check(
                ["dpkg", "--configure", "-a"], "an interrupted installation cannot be finished", **options
            )
        if tools.run(install, **options).exit == 0:
            return
        tools.check([*apt, "update"], "the package lists cannot be fetched", **options)
        tools.check(install, f"{len(missing)} packages cannot be installed", **options)


class _Guard:
    """Holds policy-rc.d(8) at 101 ("action forbidden") and puts back what was there, also after a crash."""

    def __enter__(self) -> None:
        if os.path.exists(GUARD) and not self._ours():
            os.rename(GUARD, SAVED)
        with open(GUARD, "w", encoding="ascii") as handle:
            handle.write(f"#!/bin/sh\n{MARK}\nexit 101\n")
        os.chmod(GUARD, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)

    def __exit__(self, *_: object) -> None:
        os.unlink(GUARD)
        if os.path.exists(SAVED):
            os.rename(SAVED, GUARD)

    def _ours(self) -> bool:
        with open(GUARD, encoding="utf-8", errors="replace") as handle:
            return MARK in handle.read()
