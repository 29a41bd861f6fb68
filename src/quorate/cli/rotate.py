"""``quorate rotate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quorate.cli.common import ProgressListener, emit, json_option, resolve, run_async, target_options
from quorate.errors import EXIT_PASS, PreconditionError

if TYPE_CHECKING:
    from quorate.operations.rotate import Rotation


@click.group()
def rotate() -> None:
    """Replace keys while the service goes on."""


@rotate.command()
@target_options
@json_option
def fernet(file: str | None, name: str | None, as_json: bool) -> int:
    """Rotate Keystone's token keys on all controllers. Tokens made before stay good.

    With a controller down it works once; then that one has to come back first.
    """
    from quorate.operations.rotate import HAS_IT, Keys, rotate_fernet
    from quorate.services.keystone import Keystone, fernet_keys
    from quorate.transport.ssh import connector

    target = resolve(file, name)
    its = target.platform()
    if Keystone.name not in its.services:
        raise PreconditionError(
            "this cluster has no Keystone, so it has no Fernet keys", where=str(target.spec_path)
        )

    async def work(listener: ProgressListener) -> Rotation:
        async with connector(target.cluster, target.spec_path) as connect:
            keys = Keys(its.ctx.secrets.folder, *fernet_keys(its.ctx))
            return await rotate_fernet(keys, its.ctx.controllers, connect, listener)

    with ProgressListener() as listener:
        done = run_async(work(listener))
    if as_json:
        emit(done.as_json(), True)
        return EXIT_PASS
    what = "The interrupted rotation is complete" if done.completed else "Rotated"
    click.echo(f"{what}: generation {done.generation}, primary key {done.primary} of {done.keys} keys.")
    for node, told in done.nodes.items():
        click.echo(f"  {node}: {told}")
    absent = [node for node, told in done.nodes.items() if told != HAS_IT]
    if absent:
        click.echo(
            f"When {', '.join(absent)} is back, run: quorate apply. Until then no other rotation is possible."
        )
    return EXIT_PASS


commands = [rotate]
