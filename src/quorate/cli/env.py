"""``quorate env``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from quorate.cli.common import emit, json_option, resolve, target_options

if TYPE_CHECKING:
    from quorate.operations.environment import Environment


@click.command()
@target_options
@json_option
@click.option("--clouds", is_flag=True, help="Print only the path of clouds.yaml.")
@click.option("--shell", is_flag=True, help="Print lines for a shell to eval.")
def env(file: str | None, name: str | None, as_json: bool, clouds: bool, shell: bool) -> None:
    """Say how to use the cluster: addresses, clouds.yaml, where the passwords are.

    \b
    export OS_CLIENT_CONFIG_FILE=$(quorate env --clouds)
    openstack token issue
    """
    from quorate.operations.environment import environment, write_clouds

    if clouds + shell + as_json > 1:
        raise click.UsageError("--clouds, --shell and --json are three answers: ask for one")
    target = resolve(file, name)
    ctx = target.platform().ctx
    found = environment(ctx, target.home)
    if found.auth_url or clouds or shell:
        write_clouds(found, ctx.secrets, target.home)
    if clouds:
        emit(str(found.clouds), False)
    elif shell:
        click.echo(found.shell(), nl=False)
    elif as_json:
        emit(found.as_json(), True)
    else:
        emit(lines(found), False)


def lines(found: Environment) -> list[str]:
    """What a person reads."""
    shown = [f"{service:12} {address}" for service, address in found.endpoints.items()]
    shown += ["", f"CA           {found.ca_file}", f"passwords    {found.secrets}"]
    if found.auth_url:
        shown += [
            f"admin        password in {found.password_file}",
            f"clouds.yaml  {found.clouds}",
            "",
            "use it       export OS_CLIENT_CONFIG_FILE=" + shlex.quote(str(found.clouds)),
            "             openstack token issue",
        ]
    if found.dashboard:
        shown.append(f"             {found.dashboard} in a browser, domain Default, user admin")
    shown += ["", *(f"{node:12} {shlex.join(argv)}" for node, argv in found.ssh.items())]
    return shown


commands = [env]
