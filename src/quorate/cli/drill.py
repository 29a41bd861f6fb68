"""``quorate drill``: break one thing, watch as a client, heal, judge."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from quorate.cli.common import (
    ProgressListener,
    confirm,
    emit,
    json_option,
    name_option,
    resolve,
    run_async,
    target_options,
)
from quorate.cli.drill_hands import Commands, bench_of
from quorate.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNKNOWN, DrillError, UsageError

if TYPE_CHECKING:
    from quorate.drill.model import DrillResult

WIDE = 170
"""Columns where nobody says how many there are."""
EXITS = {"pass": EXIT_PASS, "fail": EXIT_FAIL, "unknown": EXIT_UNKNOWN}


@click.group()
def drill() -> None:
    """Break one thing on purpose, and measure what a client sees."""


@drill.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The faults, targets, workloads and checks that there are."""
    from quorate.drill.drills import catalogue

    found = catalogue()
    if as_json:
        emit(found, True)
        return
    for kind, entries in found.items():
        emit([f"{kind}:", *(f"  {name:18}{summary}" for name, summary in entries.items())], False)


@drill.command()
@click.argument("fault")
@target_options
@click.option("--target", metavar="WHO", help="A node, vip-holder (default), db-writer or queue-leader.")
@click.option("--service", default="", help="Whose processes to hit, or whose virtual IP is meant.")
@click.option(
    "--rate",
    type=click.FloatRange(1, 100),
    help="Requests a second of each client. Default: 10, or 2 where a whole cloud has many.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(5, 3600),
    default=20,
    show_default=True,
    help="Of control and of fault.",
)
@click.option(
    "--watch", multiple=True, metavar="WORKLOAD", help="Only this one; may be given again. Default: all."
)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@json_option
def run(
    fault: str,
    file: str | None,
    name: str | None,
    target: str | None,
    service: str,
    rate: float | None,
    seconds: float,
    watch: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> int:
    """Carry out a drill. FAULT is one of those that `quorate drill list` shows.

    Exit code 0 when every check passed, 1 when one failed, 2 when nobody can say.
    """
    from quorate.drill import drills

    kind = drills.fault(fault)
    wish = drills.Wish(fault, target or kind.default_target, service, rate, seconds, watch)
    meant = resolve(file, name)
    if not yes and not sys.stdin.isatty():
        raise UsageError("a drill breaks something, and there is nobody here to ask", next_step="say --yes")

    async def work() -> DrillResult:
        bench, operator = bench_of(meant), Commands(meant)
        async with drills.prepare(
            wish, meant.cluster, meant.home, meant.spec_path, bench, operator
        ) as prepared:
            what = f"This will {prepared.explanation}"
            if yes:
                click.echo(what, err=True)
            elif not confirm(f"{what}. Go on?"):
                raise UsageError("not agreed, so nothing was done")
            try:
                with ProgressListener() as listener:
                    return await prepared.carry_out(listener)
            except DrillError as error:
                if not as_json:
                    raise
                click.echo(f"quorate: {error}", err=True)
                return prepared.judged()

    return _show(run_async(work()), as_json)


@drill.command()
@click.argument("run", metavar="[RUN]", required=False)
@name_option
@json_option
def report(run: str | None, name: str | None, as_json: bool) -> int | None:
    """Judge a recorded RUN again. Without RUN, list the runs."""
    from quorate.drill.history import load
    from quorate.drill.judge import judge

    folder = resolve(None, name).home.history
    if run is None:
        emit(sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [], as_json)
        return None
    return _show(judge(load(folder / run)), as_json)


def _show(result: DrillResult, as_json: bool) -> int:
    from rich.console import Console

    from quorate.report import terminal

    if as_json:
        emit(result.to_json(), True)
    else:
        Console(width=None if sys.stdout.isatty() else WIDE).print(terminal.drill(result))
    return EXITS[str(result.verdict)]


commands = [drill]
