"""``quorate verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quorate.cli.common import ProgressListener, Target, emit, json_option, resolve, run_async, target_options
from quorate.events import Listener, silent

if TYPE_CHECKING:
    from quorate.operations.verify import Verification

MARKS = {"pass": "✓", "fail": "✗", "unknown": "?"}
COLOURS = {"pass": "green", "fail": "red", "unknown": "magenta"}


@click.command()
@target_options
@json_option
def verify(file: str | None, name: str | None, as_json: bool) -> int:
    """Prove from outside, as a client, that every service does its job.

    Exit code 0 when all passed, 1 when one failed, 2 when one could not be tried.
    """
    from quorate.operations.verify import EXIT_CODES

    target = resolve(file, name)
    if as_json:
        found = run_async(prove(target, silent))
        emit(found.as_json(), True)
    else:
        with ProgressListener() as listener:
            found = run_async(prove(target, listener))
        show(found)
    return EXIT_CODES[found.verdict]


async def prove(target: Target, listener: Listener) -> Verification:
    """Try every proof of the target's services once."""
    from quorate.operations.verify import outside
    from quorate.operations.verify import verify as proofs

    its = target.platform()
    return await proofs(its.verify_steps(), outside(its.ctx, target.home), listener)


def show(found: Verification) -> None:
    """Print every check with its evidence, and the verdict."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from quorate.cli.console import console

    table = Table("", "service", "proof", "evidence", "s", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for check in found.checks:
        mark = Text(MARKS[check.verdict], style=COLOURS[check.verdict])
        table.add_row(mark, check.service, check.title, Text(check.evidence), f"{check.seconds:.2f}")
    out = console()
    out.print(table)
    counts = ", ".join(
        f"{number} {verdict}"
        for verdict in MARKS
        if (number := sum(check.verdict == verdict for check in found.checks))
    )
    head = Text(f"{found.verdict}", style=f"bold {COLOURS[found.verdict]}")
    out.print(head.append(f": {counts or 'nothing to verify'}, {found.seconds:.1f} s", style="not bold"))


commands = [verify]
