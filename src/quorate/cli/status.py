"""``quorate status``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from quorate.cli.common import Target, emit, json_option, resolve, run_async, target_options
from quorate.errors import EXIT_UNKNOWN

if TYPE_CHECKING:
    from quorate.operations.status import Status
    from quorate.transport.base import Connect

REDRAW_S = 2.0


@click.command()
@target_options
@json_option
@click.option("--watch", is_flag=True, help="Look again every 2 s and redraw, until Ctrl-C.")
def status(file: str | None, name: str | None, as_json: bool, watch: bool) -> int:
    """Show how the cluster is: nodes, quorum, virtual IPs, services, and what is wrong.

    Works while nodes are down. Exit code 0 when it is healthy, 1 when not, 2 when no node could be asked.
    """
    target = resolve(file, name)
    if watch and as_json:
        raise click.UsageError("--watch draws for people: leave --json out")
    if not watch:
        return run_async(_once(target, as_json))
    seen: list[Status] = []
    try:
        run_async(_watch(target, seen))
    except KeyboardInterrupt:  # the way out, so no error
        click.echo(f"last seen: {'healthy' if seen and seen[-1].healthy else 'not healthy'}")
    return seen[-1].exit_code if seen else EXIT_UNKNOWN


async def _once(target: Target, as_json: bool) -> int:
    from quorate.cli.status_view import show
    from quorate.operations.survey import CONNECT_S
    from quorate.transport.ssh import connector

    async with connector(target.cluster, target.spec_path, connect_timeout_s=CONNECT_S) as connect:
        found = await _look(target, connect)
    if as_json:
        emit(found.as_json(), True)
    else:
        show(found)
    return found.exit_code


async def _watch(target: Target, seen: list[Status]) -> None:
    """Draw until cancelled; the last status is in ``seen``."""
    from rich.live import Live

    from quorate.cli.console import WIDE
    from quorate.cli.status_view import drawn
    from quorate.operations.survey import CONNECT_S
    from quorate.transport.ssh import connector

    async with connector(target.cluster, target.spec_path, connect_timeout_s=CONNECT_S) as connect:
        pause = asyncio.sleep(0)
        with Live(auto_refresh=False, screen=True) as live:
            while True:
                found, _ = await asyncio.gather(_look(target, connect), pause)
                seen[:] = [found]
                live.update(drawn(found, True, live.console.width >= WIDE), refresh=True)
                pause = asyncio.sleep(REDRAW_S)


async def _look(target: Target, connect: Connect) -> Status:
    from quorate.operations.status import status as judged
    from quorate.operations.survey import survey

    return judged(await survey(target.platform(), connect))


commands = [status]
