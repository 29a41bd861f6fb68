"""Run a program of the host, with a deadline, and say what went wrong when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from quorate.errors import LabError


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout_s: float = 60.0,
    what: str = "",
    check: bool = True,
) -> str:
    """Run ``argv`` and hand back its standard output.

    Args:
        argv: program and arguments; never a shell string, never a secret.
        stdin: text for its standard input.
        timeout_s: seconds after which it is killed.
        what: one sentence for the error, without a full stop.
        check: raise when it exits non-zero.

    Raises:
        LabError: it is missing, failed, or took longer than ``timeout_s``.
    """
    what = what or f"{argv[0]} failed"
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(
            f"{argv[0]} is not installed on this host", next_step="./quorate lab up installs it"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(what, evidence=f"{' '.join(argv)}: no end after {timeout_s:g} s") from error
    if check and done.returncode != 0:
        evidence = done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}"
        raise LabError(what, evidence=f"{' '.join(argv)}\n{evidence}")
    return done.stdout
