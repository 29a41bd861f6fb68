"""``quorate move``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quorate.cli.common import ProgressListener, emit, json_option, name_option, resolve, run_async
from quorate.errors import EXIT_PASS
from quorate.events import Listener, silent

if TYPE_CHECKING:
    from quorate.cli.common import Target
    from quorate.operations.move import Moved


@click.command()
@click.argument("service")
@click.argument("node", required=False, default="")
@name_option
@click.option("--file", metavar="FILE", help="A cluster.yaml, instead of --name.")
@json_option
def move(service: str, node: str, name: str | None, file: str | None, as_json: bool) -> int:
    """Move an active/passive SERVICE to NODE, or to the best other one, and see that it works there.

    Nothing is moved unless the service is healthy, the node is ready for it, and both could be fenced.
    """
    target = resolve(file, name)
    if as_json:
        emit(run_async(_move(target, service, node, silent)).as_json(), True)
        return EXIT_PASS
    with ProgressListener() as listener:
        done = run_async(_move(target, service, node, listener))
    if done.source == done.target:
        click.echo(f"{service} is on {done.target} already.")
    else:
        click.echo(
            f"{service} works on {done.target}, {done.seconds:.1f} s after the order (was: {done.source})."
        )
    return EXIT_PASS


async def _move(target: Target, service: str, node: str, listener: Listener) -> Moved:
    from quorate.events import Event, Kind
    from quorate.operations.move import Moved, carry_out, way
    from quorate.operations.survey import survey
    from quorate.transport.ssh import connector

    its = target.platform()
    async with connector(target.cluster, target.spec_path) as connect:
        found = way(its, await survey(its, connect), service, node)
        if found.source == found.target:
            return Moved(service, found.source, found.target, 0.0)
        text = f"{service} ends on {found.source} in order and starts on {found.target}; new connections wait"
        listener(Event(Kind.NOTE, "move", text))
        return await carry_out(its, found, connect, listener)


commands = [move]
