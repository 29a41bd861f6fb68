"""Afterwards the file systems of services with storage are clean: e2fsck(8) finds nothing to mend."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History, Record
from quorate.drill.model import Finding


def run(history: History) -> Iterable[Finding]:
    """One finding a service with storage, or one that there is none."""
    storage = dict(history.run.get("storage") or {})
    if not storage:
        yield CHECK.passed("no service has a file system of its own")
    for service in storage:
        said = [each for each in history.all("fsck") if each["service"] == service]
        yield _judge(service, said[-1]) if said else CHECK.doubt(f"{service}: nobody checked its file system")


def _judge(service: str, said: Record) -> Finding:
    # e2fsck(8), exit code: 0 nothing wrong, 4 errors left uncorrected; the others say that it could not look.
    text, where = str(said["text"]), f"e2fsck -fn {said['device']} on {said['node']}"
    if said["exit"] == 0:
        return CHECK.passed(f"{service}: its file system is clean ({where})", text)
    if said["exit"] is not None and int(said["exit"]) & 4:
        return CHECK.failed(f"{service}: its file system is damaged ({where})", text)
    return CHECK.doubt(f"{service}: its file system could not be checked ({where})", text)


CHECK = Check("filesystem", "the file systems of services with storage are clean", run)
