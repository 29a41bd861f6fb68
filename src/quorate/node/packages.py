"""Debian packages: what is missing, read from dpkg's own status file; installed with nothing started."""

from __future__ import annotations

import os
import stat
from typing import Any

from quorate.node import tools

STATUS = "/var/lib/dpkg/status"
UPDATES = "/var/lib/dpkg/updates"
"""Not empty: dpkg was interrupted."""
GUARD = "/usr/sbin/policy-rc.d"
SAVED = GUARD + ".quorate-saved"
MARK = "# quorate: nothing starts by being installed"
LOCK_WAIT_S = 120
"""How long apt waits for another apt or dpkg."""


def look_many(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``missing``: the names that are not installed; ``left``: what an installation that died left behind."""
    there, left = installed(STATUS), leftovers()
    return [
        {"missing": [name for name in args["names"] if name not in there], "left": left} for args in items
    ]


def leftovers() -> list[str]:
    """The files of `_Guard` that are there: with the first, no package can start anything any more."""
    return [path for path, there in ((GUARD, _ours()), (SAVED, os.path.exists(SAVED))) if there]


def installed(path: str) -> set[str]:
    """The packages that are installed and configured."""
    with open(path, "rb") as handle:
        stanzas = ("\n" + handle.read().decode(errors="replace")).split("\nPackage: ")[1:]
    return {one[: one.index("\n")] for one in stanzas if "\nStatus: install ok installed\n" in one[:200]}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Install the missing ones. Where that fails, fetch the package lists and try once more.

    What an installation left behind that died is put in order by that, or by itself.
    """
    missing = look_many([args])[0]["missing"]
    apt = ["apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={LOCK_WAIT_S}", "-o", "Dpkg::Use-Pty=0"]
    options: dict[str, Any] = {"env": {"DEBIAN_FRONTEND": "noninteractive"}, "timeout_s": 3600.0}
    install = [*apt, "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "install", *missing]
    with _Guard():
        if os.listdir(UPDATES):
            tools.check(
                ["dpkg", "--configure", "-a"], "an interrupted installation cannot be finished", **options
            )
        if not missing or tools.run(install, **options).exit == 0:
            return
        tools.check([*apt, "update"], "the package lists cannot be fetched", **options)
        tools.check(install, f"{len(missing)} packages cannot be installed", **options)


class _Guard:
    """Holds policy-rc.d(8) at 101 ("action forbidden") and puts back what was there, also after a crash."""

    def __enter__(self) -> None:
        if os.path.exists(GUARD) and not _ours():
            os.rename(GUARD, SAVED)
        with open(GUARD, "w", encoding="ascii") as handle:
            handle.write(f"#!/bin/sh\n{MARK}\nexit 101\n")
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(GUARD, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)

    def __exit__(self, *_: object) -> None:
        os.unlink(GUARD)
        if os.path.exists(SAVED):
            os.rename(SAVED, GUARD)


def _ours() -> bool:
    try:
        with open(GUARD, encoding="utf-8", errors="replace") as handle:
            return MARK in handle.read()
    except FileNotFoundError:
        return False
