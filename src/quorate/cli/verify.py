"""``quorate verify``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quorate.cli.common import ProgressListener, Target, emit, json_option, resolve, run_async, target_options
from quorate.cli.guest_image import ensure
from quorate.errors import UsageError
from quorate.events import Listener, silent

if TYPE_CHECKING:
    from quorate.operations.verify import Check, Verification

MARKS = {"pass": "✓", "fail": "✗", "unknown": "?"}
COLOURS = {"pass": "green", "fail": "red", "unknown": "magenta"}


@click.command()
@target_options
@click.option("--quick", is_flag=True, help="Without the tenant's day: every service's own proofs only.")
@click.option("--day", "only_day", is_flag=True, help="The tenant's day only.")
@json_option
def verify(file: str | None, name: str | None, quick: bool, only_day: bool, as_json: bool) -> int:
    """Prove from outside, as a client, that every service does its job; then live a tenant's day.

    The day: an account, an image, a network, a server that answers, volumes, objects, a live migration,
    a console, and all of it gone again; as far as the cluster has services for it.
    Exit code 0 when all passed, 1 when one failed, 2 when one could not be tried.
    """
    from quorate.operations.verify import EXIT_CODES

    if quick and only_day:
        raise UsageError("--quick is without the day, --day is nothing but the day: give one of them")
    target = resolve(file, name)
    if as_json:
        found = run_async(prove(target, silent, proofs=not only_day, day=not quick))
        emit(found.as_json(), True)
    else:
        with ProgressListener() as listener:
            found = run_async(prove(target, listener, proofs=not only_day, day=not quick))
        show(found)
    return EXIT_CODES[found.verdict]


async def prove(
    target: Target,
    listener: Listener,
    *,
    proofs: bool = True,
    day: bool = True,
    only: Container[str] | None = None,
) -> Verification:
    """Try every proof of the target's services once, then live a tenant's day where they make one up.

    Args:
        target: the cluster.
        listener: is told how it goes.
        proofs: with the services' own proofs.
        day: with the tenant's day.
        only: the services whose proofs are tried; None: all of them.
    """
    from dataclasses import replace

    from quorate.operations import day as days
    from quorate.operations.verify import outside
    from quorate.operations.verify import verify as every
    from quorate.transport.ssh import connector

    its = target.platform()
    steps = days.planned(its.day_steps()) if day else []

    async def guest() -> Path:
        return await asyncio.to_thread(ensure, listener, "raw")

    async with connector(target.cluster, target.spec_path) as connect:
        client = outside(its.ctx, target.home, connect, guest)
        tried = [step for step in its.verify_steps() if proofs and (only is None or step.service in only)]
        found = await every(tried, client, listener)
        if not steps:
            return found
        begun = time.monotonic()
        lived = await days.live(steps, client, listener)
        return replace(found, day=lived, seconds=found.seconds + time.monotonic() - begun)


def show(found: Verification) -> None:
    """Print every check with its evidence, what the logs say of those that did not pass, and the verdict."""
    from rich.text import Text

    from quorate.cli.console import console

    out = console()
    for title, checks in (("proof", found.checks), ("a tenant's day", found.day)):
        if checks:
            _table(title, checks)
            out.print()
    every = (*found.checks, *found.day)
    for check in every:
        if check.details:
            out.print(Text(f"{check.service}: {check.title}", style="bold"))
            for line in check.details:
                out.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
            out.print()
    counts = ", ".join(
        f"{number} {verdict}" for verdict in MARKS if (number := sum(one.verdict == verdict for one in every))
    )
    head = Text(f"{found.verdict}", style=f"bold {COLOURS[found.verdict]}")
    out.print(head.append(f": {counts or 'nothing to verify'}, {found.seconds:.1f} s", style="not bold"))


def _table(head: str, checks: Sequence[Check]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from quorate.cli.console import console

    table = Table("", "service", head, "evidence", "s", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for check in checks:
        mark = Text(MARKS[check.verdict], style=COLOURS[check.verdict])
        table.add_row(mark, check.service, check.title, Text(check.evidence), f"{check.seconds:.2f}")
    console().print(table)


commands = [verify]
