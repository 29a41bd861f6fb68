"""Puts images whose upload died with its node back to where Glance puts those of failed uploads.

An upload that fails is undone by the process that took it: the image is queued again, its data removed.
Where that process died, the image stays "saving" for ever, its data incomplete, and cannot be uploaded again.
Whoever writes an RBD image watches it (librbd), and the cluster forgets a dead watcher after 30 s. So:
saving, and for QUIET_S nobody watches the data. The status goes first, from saving to queued in one step that
only one node can make, and that fails the last step of an upload that lives after all. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

QUIET_S = 300.0
"""Longer than Glance may need from the last byte until the database took "active", retries included."""
STATE = Path("/run/quorate/glance-uploads.json")
GONE = 2
"""rbd(8) ends with ENOENT where there is no such image."""
ASK = (
    "SELECT id, status FROM images WHERE deleted = 0 AND updated_at < UTC_TIMESTAMP() - INTERVAL 60 SECOND"
    " AND (status = 'saving' OR status = 'queued' AND updated_at > UTC_TIMESTAMP() - INTERVAL 1 DAY);\n"
)


def run(argv: Sequence[str], stdin: str = "", timeout_s: float = 30) -> tuple[int, str, str]:
    """Exit code and output of a program that ends in time, or is ended."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    return done.returncode, done.stdout, done.stderr.strip()


def sql(script: str) -> list[list[str]]:
    """The rows that the node's own database answers."""
    argv = [
        "mariadb",
        "--no-defaults",
        "--user=root",
        "--batch",
        "--skip-column-names",
        "--connect-timeout=5",
    ]
    code, out, said = run([*argv, "glance"], script)
    if code != 0:
        raise RuntimeError(f"the database does not answer: {said}")
    return [line.split("\t") for line in out.splitlines()]


class Holds(Protocol):
    """Where the data of images is."""

    def watched(self, image: str) -> bool | None:
        """Whether somebody has it open; None where it is not there."""

    def remove(self, image: str) -> None:
        """It and its snapshots are gone."""


class Store:
    """The pool that images are in."""

    def __init__(self, pool: str, client: str) -> None:
        self.pool = pool
        self.base = ["rbd", "--id", client, "--pool", pool]

    def watched(self, image: str) -> bool | None:
        """Whether somebody has it open; None where it is not there."""
        code, out, said = run([*self.base, "status", image, "--format", "json"])
        if code == GONE:
            return None
        if code != 0:
            raise RuntimeError(f"the storage does not tell who has {image} open: {said}")
        return bool(json.loads(out).get("watchers"))

    def remove(self, image: str) -> None:
        """Its snapshots, then itself."""
        code, out, said = run([*self.base, "snap", "ls", image, "--format", "json"])
        for snapshot in json.loads(out) if code == 0 else ():
            name = f"{image}@{snapshot['name']}"
            run([*self.base, "snap", "unprotect", name])
            run([*self.base, "snap", "rm", name], timeout_s=60)
        code, out, said = run([*self.base, "rm", "--no-progress", image], timeout_s=100)
        if code not in (0, GONE):
            raise RuntimeError(f"{image} cannot be removed from {self.pool}: {said}")


def clean(
    rows: Iterable[tuple[str, str]],
    store: Holds,
    since: Mapping[str, float],
    now: float,
    requeue: Callable[[str], bool],
) -> tuple[dict[str, float], list[str]]:
    """One round. Returns since when each image has been quiet, for the next round; and what was done.

    Args:
        rows: image and status, saving or queued.
        store: a `Store`.
        since: image to the time since which nobody has had its data open, from the round before.
        now: the time, seconds.
        requeue: makes an image queued if it is still saving; says whether it did.
    """
    quiet: dict[str, float] = {}
    done: list[str] = []
    for image, status in rows:
        watched = store.watched(image)
        if watched or (status == "queued" and watched is None):
            continue
        quiet[image] = since.get(image, now)
        if now - quiet[image] < QUIET_S:
            continue
        if status == "saving" and not requeue(image):
            continue
        if watched is not None:
            store.remove(image)
        done.append(f"image {image}: its upload died; it is queued again, what there was of its data is gone")
        del quiet[image]
    return quiet, done


def requeue(image: str) -> bool:
    """One step in the database, which only one of several can make."""
    statement = f"UPDATE images SET status = 'queued', updated_at = UTC_TIMESTAMP() WHERE id = '{image}'"
    return sql(f"{statement} AND status = 'saving' AND deleted = 0;\nSELECT ROW_COUNT();\n") == [["1"]]


def main() -> int:
    """A round. Only what was done, and what could not be, is said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", required=True)
    parser.add_argument("--client", required=True)
    chosen = parser.parse_args()
    since: dict[str, float] = {}
    if STATE.exists():
        since = json.loads(STATE.read_text(encoding="ascii"))
    try:
        rows = [(image, status) for image, status in sql(ASK)]
        quiet, done = clean(rows, Store(chosen.pool, chosen.client), since, time.monotonic(), requeue)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in done)
    if quiet != since:
        STATE.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = STATE.with_suffix(".new")
        fresh.write_text(json.dumps(quiet), encoding="ascii")
        fresh.replace(STATE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
