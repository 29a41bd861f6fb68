"""Lock files: one process at a time, and nobody waits for ever."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quorate.errors import LabError

POLL_S = 0.01


@contextmanager
def held(path: Path, deadline_s: float) -> Iterator[None]:
    """Hold the lock file ``path`` inside this block (flock(2)); it is free once its process ends, however.

    Args:
        path: made where it is missing; its folder has to exist.
        deadline_s: how long to wait for whoever holds it, in seconds.

    Raises:
        LabError: somebody held it for longer.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + deadline_s
        while not _taken(handle):
            if time.monotonic() > deadline:
                raise LabError(
                    f"another command has been working on this for {deadline_s:g} s",
                    where=str(path),
                    next_step=f"see which one: fuser -v {path}; end it, then try again",
                )
            time.sleep(POLL_S)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
