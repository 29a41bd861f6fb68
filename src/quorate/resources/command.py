"""A guard and the command that makes it true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.resources.base import Resource


def command(
    name: str,
    *,
    check: Sequence[str],
    fix: Sequence[str] = (),
    expect: str | None = None,
    check_stdin: str = "",
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    user: str = "",
    cwd: str = "/",
    settle_s: float = 0.0,
    check_timeout_s: float = 10.0,
    after: Sequence[str] = (),
    serial: bool = False,
    secret: bool = False,
    timeout_s: float = 60.0,
) -> Resource:
    """Something that a program can tell, and another can put right. Argument lists, never shell strings.

    Args:
        name: what it achieves, for people; unique among the commands of its node ("keystone schema").
        check: exits 0 where nothing is to be done.
        fix: run where ``check`` says no. Empty: only wait for ``check`` (up to ``settle_s``).
        expect: ``check`` must, besides, print this somewhere on its standard output.
        check_stdin: for ``check``'s standard input. Secrets travel here or in ``env``, never in arguments.
        stdin: for ``fix``'s standard input.
        env: added to the environment of both.
        user: the account that both run as; root where empty.
        cwd: the folder that both run in.
        settle_s: after ``fix``, ask ``check`` again until it says yes, this long.
        check_timeout_s: how long one ``check`` may take; one that takes longer is a failed look.
        after: ids of resources that have to be right first.
        serial: on one node at a time.
        secret: output of both is shown only with everything that looks like a key taken out.
        timeout_s: how long ``fix`` and settling may take together.
    """
    args: dict[str, Any] = {"check": list(check), "check_timeout_s": check_timeout_s, "settle_s": settle_s}
    optional: dict[str, Any] = {
        "fix": list(fix), "expect": expect, "check_stdin": check_stdin, "stdin": stdin,
        "env": dict(env or {}), "user": user, "cwd": cwd,
    }  # fmt: skip
    args |= {key: value for key, value in optional.items() if value}
    return Resource(
        "command",
        name,
        args,
        {"done": True},
        tuple(after),
        serial,
        secret,
        max(timeout_s, settle_s + check_timeout_s if settle_s else 0),
    )
