"""``quorate plan``, ``quorate apply`` and ``quorate unlock``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quorate.cli.common import (
    ProgressListener,
    Target,
    confirm,
    emit,
    json_option,
    resolve,
    run_async,
    target_options,
)
from quorate.errors import EXIT_FAIL, EXIT_PASS, PreconditionError

if TYPE_CHECKING:
    from quorate.engine.plan import Plan, Step
    from quorate.engine.report import Report
    from quorate.resources.base import Desired


def _desired(target: Target) -> Desired:
    target.home.create()
    return list(target.platform().desired())


@click.command()
@target_options
@json_option
@click.option("--exit-code", is_flag=True, help="Exit 1 when something would change.")
def plan(file: str | None, name: str | None, as_json: bool, exit_code: bool) -> int:
    """Show what an apply would change, on which node, as a diff. Changes nothing."""
    from quorate.engine.plan import make_plan
    from quorate.transport.ssh import connector

    target = resolve(file, name)
    desired = _desired(target)

    async def work() -> Plan:
        async with connector(target.cluster, target.spec_path) as connect:
            return await make_plan(desired, connect)

    made = run_async(work())
    if as_json:
        emit(made.to_json(), True)
    else:
        _show(made, len(desired), len(target.cluster.nodes))
    if made.unreachable:
        return EXIT_FAIL
    return EXIT_FAIL if exit_code and not made.empty else EXIT_PASS


def _show(made: Plan, looked_at: int, nodes: int) -> None:
    stage = None
    for step in made.steps:
        if step.stage != stage:
            stage = step.stage
            click.secho(f"\n{stage.name.lower()}", bold=True)
        _show_step(step)
    if made.steps:
        click.echo()
    for error in made.unreachable.values():
        click.secho(str(error), fg="red", err=True)
    if made.empty:
        click.echo(f"Nothing to do: {looked_at} resources on {nodes} nodes are as they should be.")
    else:
        touched = len({step.node for step in made.steps})
        click.echo(f"{len(made.steps)} steps on {touched} nodes. The plan is {made.hash[:12]}:")
        click.echo(f"  quorate apply --expect {made.hash[:12]} does exactly this, or refuses.")


def _show_step(step: Step) -> None:
    if step.differences and step.differences[0].actual is None and not step.diff:
        mark, colour = "+", "green"
    else:
        mark, colour = ("~", "yellow") if step.known else ("?", "cyan")
    note = f"  {step.note}" if step.note else ""
    click.secho(f"  {mark} {step.node}  {step.id}{note}", fg=colour)
    for one in step.differences:
        was = "" if one.actual is None else f"{_value(one.actual)} → "
        click.echo(f"      {one.key}: {was}{_value(one.desired)}")
    for line in step.diff.splitlines()[2:]:
        click.secho(f"      {line}", fg={"+": "green", "-": "red"}.get(line[:1]))


def _value(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:200] + " …"


@click.command()
@target_options
@json_option
@click.option("--expect", default="", metavar="HASH", help="Refuse unless the plan is still this one.")
def apply(file: str | None, name: str | None, as_json: bool, expect: str) -> int:
    """Make the nodes what cluster.yaml says. Harmless to run again; it carries on where it was stopped."""
    from quorate.engine.apply import apply as carry_out
    from quorate.transport.ssh import connector

    target = resolve(file, name)
    desired = _desired(target)
    _remember(target)

    async def work(listener: ProgressListener) -> Report:
        async with connector(target.cluster, target.spec_path) as connect:
            return await carry_out(
                desired, connect, lock_on=target.cluster.controllers, listener=listener, expect=expect
            )

    with ProgressListener() as listener:
        report = run_async(work(listener))
    if as_json:
        emit(report.to_json(), True)
        return EXIT_PASS if report.ok else EXIT_FAIL
    report.check()
    nodes = len(target.cluster.nodes)
    if report.changed:
        click.echo(f"{len(report.changed)} resources changed on {nodes} nodes, {report.seconds:.1f} s.")
    else:
        right = f"{len(desired)} resources on {nodes} nodes are as they should be"
        click.echo(f"Nothing to do: {right}, {report.seconds:.1f} s.")
    return EXIT_PASS


def _remember(target: Target) -> None:
    """From now on ``--name`` finds this cluster: its folder points to the file that was applied."""
    spec = target.home.spec
    if spec.resolve() == target.spec_path.resolve():
        return
    if spec.exists() and not spec.is_symlink():
        what = f"the cluster {target.cluster.cluster} has a cluster.yaml of its own"
        step = f"edit that one and say: --name {target.cluster.cluster}, or give yours another name"
        raise PreconditionError(what, where=str(spec), next_step=step)
    spec.unlink(missing_ok=True)
    spec.symlink_to(target.spec_path.resolve())


@click.command()
@target_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def unlock(file: str | None, name: str | None, yes: bool) -> int:
    """Remove the lock that a dead operator left. Shows whose it is first."""
    from quorate.engine.lock import break_lock, describe, holders
    from quorate.transport.ssh import connector

    target = resolve(file, name)

    async def work() -> bool:
        async with connector(target.cluster, target.spec_path) as connect:
            found = await holders(connect, target.cluster.controllers)
            for node, holder in found.items():
                click.echo(f"{node}: {describe(holder)}")
            if found and (yes or confirm("Remove it? Whoever still works would no longer be alone")):
                await break_lock(connect, list(found))
                return True
            return not found

    done = run_async(work())
    click.echo("Nobody holds the lock." if done else "The lock is still held.")
    return EXIT_PASS if done else EXIT_FAIL


commands = [plan, apply, unlock]
