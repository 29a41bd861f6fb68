"""Which Debian mirror this machine uses, by its own apt configuration: no address is built in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from quorate.errors import PreconditionError, UsageError

SUITE = "trixie"
"""Debian 13."""
_DEBIAN = re.compile(r"^(stable|testing|sid|bullseye|bookworm|trixie|forky)(-updates|-security|/updates)?$")


@dataclass(frozen=True)
class Entry:
    """One archive that apt knows: its address and one suite of it."""

    uri: str
    suite: str


@dataclass(frozen=True)
class Mirror:
    """Where Debian comes from.

    Args:
        archive: base address of the main archive.
        security: base address of the security archive.
    """

    archive: str
    security: str

    def lines(self, suite: str = SUITE) -> tuple[str, ...]:
        """The lines of a sources.list for ``suite`` with updates and security updates (sources.list(5))."""
        return (
            f"deb {self.archive} {suite} main",
            f"deb {self.archive} {suite}-updates main",
            f"deb {self.security} {suite}-security main",
        )


def one_line(text: str) -> list[Entry]:
    """The ``deb`` entries of a one-line-style file (sources.list(5))."""
    entries = []
    for line in text.splitlines():
        match = re.match(r"^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            entries.append(Entry(match[1].rstrip("/"), match[2]))
    return entries


def deb822(text: str) -> list[Entry]:
    """The enabled ``deb`` entries of a deb822-style file (sources.list(5))."""
    entries = []
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", kept):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[key] = f"{fields.get(key, '')} {line.strip()}"
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if fields.get("enabled", "yes").lower() == "no" or "deb" not in fields.get("types", "").split():
            continue
        entries += [
            Entry(uri.rstrip("/"), suite)
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return entries


def choose(entries: list[Entry]) -> Mirror | None:
    """The Debian archive and its security archive among ``entries``, or None where there is none.

    Others use Debian's suite names too (``stable``, ``trixie``): the archive is the one that has updates.
    """
    debian = [entry for entry in entries if _DEBIAN.match(entry.suite)]
    main = [entry.uri for entry in debian if entry.suite.isalpha()]
    secure = [entry.uri for entry in debian if entry.suite.endswith(("-security", "/updates"))]
    if not main:
        return None
    updated = {entry.uri for entry in debian if entry.suite.endswith("-updates")}
    archive = max(main, key=lambda uri: (uri in updated, uri.endswith("/debian")))  # the first of equals
    return Mirror(archive, secure[0] if secure else _security(archive))


def given(archive: str, security: str | None) -> Mirror:
    """The mirror named on the command line.

    Raises:
        UsageError: an address is not one that apt can fetch from.
    """
    for address in (archive, security or archive):
        if not re.match(r"^((https?|ftp)://[^\s/]+(/\S*)?|(file|copy):/\S+)$", address):
            raise UsageError(
                f"{address!r} is not the address of a Debian archive", next_step="say http://host/debian"
            )
    archive = archive.rstrip("/")
    return Mirror(archive, security.rstrip("/") if security else _security(archive))


def _security(archive: str) -> str:
    return archive.removesuffix("/debian") + "/debian-security"


def of_host(etc: Path = Path("/etc/apt")) -> Mirror:
    """The mirror that this machine uses.

    Raises:
        PreconditionError: its apt configuration names no Debian archive.
    """
    entries: list[Entry] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]:
        if path.is_file():
            entries += one_line(path.read_text(errors="replace"))
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        entries += deb822(path.read_text(errors="replace"))
    mirror = choose(entries)
    if mirror is None:
        raise PreconditionError(
            f"no Debian archive found in {etc}/sources.list or {etc}/sources.list.d",
            next_step="name one: ./quorate lab up --mirror <address of a Debian archive>",
        )
    return mirror
