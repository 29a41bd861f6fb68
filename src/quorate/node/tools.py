"""What every kind needs: running programs with a deadline, and failing with a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
POLL_S = 0.2
"""How often a condition that is waited for is looked at."""


class Failed(Exception):
    """It cannot be read or mended: one sentence, and the raw lines that show it."""

    def __init__(self, what: str, evidence: str = "") -> None:
        super().__init__(what)
        self.evidence = evidence


class NotReady(Failed):
    """It cannot be read *yet*: an apply asks again until the resource's own deadline."""


@dataclass(frozen=True)
class Done:
    """A program that ran to its end."""

    exit: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """What it said last: its errors, else its output, at most 20 lines."""
        return "\n".join((self.err.strip() or self.out.strip()).splitlines()[-20:])


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    user: str = "",
    cwd: str = "/",
    timeout_s: float = 10.0,
) -> Done:
    """Run a program to its end, in a process group of its own that does not outlive this call.

    Args:
        argv: program and arguments; never a secret.
        stdin: for its standard input.
        env: added to PATH, LANG, HOME.
        user: the account it runs as; ours where empty.
        cwd: its folder.
        timeout_s: after that it is killed, with its children.

    Raises:
        Failed: no such program or account, or it took too long. A non-zero exit is not an error here.
    """
    who: dict[str, Any] = {}
    home = "/root"
    if user:
        import pwd

        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise Failed(f"there is no account {user} to run {argv[0]} as") from None
        home = account.pw_dir
        if account.pw_uid != os.geteuid():
            groups = os.getgrouplist(user, account.pw_gid)
            who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
    environment = {"PATH": PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": home, **(env or {})}
    try:
        child = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, cwd=cwd, start_new_session=True, **who,
        )  # fmt: skip
    except OSError as error:
        raise Failed(f"{argv[0]} cannot be run: {error.strerror}") from None
    try:
        out, err = child.communicate(stdin.encode(), timeout=timeout_s)
    except BaseException as error:
        _kill_group(child)
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed(f"{argv[0]} did not end within {timeout_s:g} s", _text(error.stderr)) from None
        raise
    return Done(child.returncode, _text(out), _text(err))


def check(argv: Sequence[str], what: str, **options: Any) -> Done:
    """`run`, and a non-zero exit raises `Failed` with ``what`` and the program's own words."""
    done = run(argv, **options)
    if done.exit != 0:
        raise Failed(f"{what}: {argv[0]} ended with {done.exit}", done.words)
    return done


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Look at ``condition`` until it holds (True) or ``timeout_s`` is over (False); `NotReady`: not yet."""
    deadline = time.monotonic() + timeout_s
    while not _holds(condition):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except NotReady:
        return False


def differing(desired: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """The keys of ``desired`` that ``state`` does not have as wanted."""
    return [key for key, value in desired.items() if key not in state or state[key] != value]


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait()


def _text(raw: bytes | str | None) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw or ""
