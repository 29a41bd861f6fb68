"""``quorate lab``: machines on this host, their power, links, logs and snapshots."""

from __future__ import annotations

import os
import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from quorate.cli import lab_machines
from quorate.cli.common import (
    DEFAULT_NAME,
    ProgressListener,
    catalogue,
    emit,
    json_option,
    resolve,
    run_async,
)
from quorate.cli.verify import show
from quorate.errors import EXIT_PASS, LabError, UsageError
from quorate.home import Home, state_root

if TYPE_CHECKING:
    from quorate.lab.layout import LabFolder, NodeFolder
    from quorate.lab.lower import Found

RESTORED_S = 300.0
"""From the moment when every machine answers until every service has proved itself."""


def name_option(function: Any) -> Any:
    """Give a command ``--name`` (``name``)."""
    return click.option(
        "--name",
        metavar="LAB",
        envvar="QUORATE_NAME",
        help=f"Which lab. Default: $QUORATE_NAME, or {DEFAULT_NAME!r}.",
    )(function)


@click.group("lab")
def lab() -> None:
    """Machines on this host that behave like real ones: Debian 13, SSH, networks, disks, BMCs."""


commands: list[click.Command] = [lab]


def _root_user() -> None:
    from quorate.errors import PreconditionError

    if os.geteuid() != 0:
        raise PreconditionError("a lab needs root", next_step="run it with sudo")


def _folder(name: str | None) -> LabFolder:
    from quorate.lab.layout import LabFolder
    from quorate.lab.setup import lab_name

    return LabFolder(state_root(), lab_name(name or DEFAULT_NAME))


def _node(name: str | None, node: str) -> NodeFolder:
    from quorate.lab import hardware

    _root_user()
    folder = _folder(name).node(node)
    hardware.load(folder)
    return folder


@lab.command()
@click.argument("file", required=False, metavar="[FILE]")
@name_option
@click.option("--mirror", metavar="URL", help="Debian archive to build from. Default: this machine's own.")
@click.option(
    "--security-mirror", metavar="URL", help="Its security archive. Default: follows from --mirror."
)
@click.option("--machines-only", is_flag=True, help="Stop when the machines answer; install nothing on them.")
@click.option(
    "--quick", is_flag=True, help="Without the tenant's day at the end: only every service's own proofs."
)
@json_option
def up(
    file: str | None,
    name: str | None,
    mirror: str | None,
    security_mirror: str | None,
    machines_only: bool,
    quick: bool,
    as_json: bool,
) -> int:
    """Raise a lab: machines, and the cluster on them. Again is harmless, and carries on where it stopped.

    FILE is a cluster.yaml; without it the lab gets one, with networks that nothing here uses.
    """
    from quorate.lab import host

    facts = host.look(state_root())
    host.judge(facts)
    wanted = lab_machines.wanted(file, name)
    host.judge_room(facts, **wanted.room())
    phases: dict[str, float] = {}
    with ProgressListener() as listener:
        with lab_machines.timed(phases, "host"):
            host.prepare(listener)
        target = lab_machines.bring_up(wanted, mirror, security_mirror, listener, phases)
    if machines_only:
        lab_machines.show(target, phases, as_json)
        return EXIT_PASS
    from quorate.cli.raise_plane import raise_plane, render_summary

    with ProgressListener() as listener:
        raised = run_async(raise_plane(target, listener, quick=quick))
    if as_json:
        took = sum(phases.values()) + sum(raised.phases.values())
        before = {
            "lab": target.cluster.cluster,
            "home": str(target.home.path),
            "machines": lab_machines.rounded(phases),
        }
        emit({**before, **raised.as_json(), "seconds": round(took, 3)}, True)
    else:
        render_summary(raised, before=phases)
    return raised.exit_code


@lab.command("list")
@json_option
def list_labs(as_json: bool) -> int:
    """Every lab on this host, and whether its machines are on."""
    from quorate.lab import lower

    _root_user()
    found = lower.find(state_root())
    if as_json:
        emit({"labs": [_described(one) for one in found.values()]}, True)
        return EXIT_PASS
    if not found:
        click.echo("no labs")
    for one in found.values():
        nodes = ", ".join(f"{node} {'on' if on else 'off'}" for node, on in sorted(one.nodes.items()))
        click.echo(
            f"{one.name}: {nodes or 'remains of a lab; ' + one.remains() + f' (lab down --name {one.name})'}"
        )
    return EXIT_PASS


def _described(one: Found) -> dict[str, Any]:
    return {
        "name": one.name,
        "home": str(Home.of(one.name, state_root()).path),
        "nodes": [
            {"name": node, "on": on, "bmc": node in one.bmcs.values()}
            for node, on in sorted(one.nodes.items())
        ],
        "interfaces": sorted(one.interfaces),
    }


@lab.command()
@name_option
@click.option("--all", "every", is_flag=True, help="Every lab on this host.")
def down(name: str | None, every: bool) -> int:
    """Take a lab down: nothing of it stays, neither process nor file, except its snapshots."""
    from quorate.lab import lower
    from quorate.lab.snapshots import listing

    _root_user()
    if every and name and not os.environ.get("QUORATE_NAME"):
        raise UsageError("--all and --name exclude each other")
    root = state_root()
    found = lower.find(root)
    wanted = list(found) if every else [_folder(name).name]
    failed: LabError | None = None
    with ProgressListener() as listener:
        for one in wanted:
            if one not in found:
                click.echo(f"there is no lab {one}")
                continue
            try:
                lower.down(root, found[one], listener)
            except LabError as error:  # the others are taken down all the same
                failed = failed or error
            if kept := listing(root, one):
                click.echo(f"snapshots of {one} stay: {', '.join(snapshot.name for snapshot in kept)}")
    left = [one for one in wanted if one in lower.find(root)]
    if failed:
        raise failed
    if left:
        raise LabError(
            f"something is left of {', '.join(left)}", evidence=lower.find(root)[left[0]].remains()
        )
    return EXIT_PASS


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@name_option
def ssh(node: str, command: tuple[str, ...], name: str | None) -> None:
    """Log in to NODE, or run COMMAND there (after --)."""
    from quorate.spec.load import load

    _root_user()
    home = Home.of(_node(name, node).lab, state_root())
    cluster = load(home.spec, catalogue())
    if node not in cluster.nodes:
        raise UsageError(
            f"the cluster {cluster.cluster} has no node {node}; it has {', '.join(cluster.nodes)}"
        )
    at = cluster.ssh
    argv = ["ssh", "-i", str(home.path / at.key), "-p", str(at.port), "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={home.path / at.known_hosts}", "-o", "StrictHostKeyChecking=yes",
            "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10"]  # fmt: skip
    # ssh(1) joins its arguments for a shell: one argument is a line for that shell, several stay several.
    words = command if len(command) < 2 else (shlex.join(command),)
    os.execvp("ssh", [*argv, f"{at.user}@{cluster.address(node)}", *(("--", *words) if words else ())])


@lab.command(context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.option("--console", is_flag=True, help="What it printed on its console.")
@click.option("--bmc", "bmc_log", is_flag=True, help="What its BMC did.")
@name_option
def logs(node: str, options: tuple[str, ...], console: bool, bmc_log: bool, name: str | None) -> int:
    """The journal of NODE, read from its disk, also when it is off. OPTIONS (after --) are journalctl's."""
    from quorate.lab import journal

    folder = _node(name, node)
    if console or bmc_log:
        path = folder.console if console else folder.bmc_log
        text = path.read_text(errors="replace") if path.exists() else f"nothing in {path} yet\n"
        click.echo(text, nl=False)
        return EXIT_PASS
    return journal.show(folder, options or ("--no-pager", "-n", "200"))


@lab.command()
@click.argument("action", type=click.Choice(["on", "off", "reset", "status"]))
@click.argument("node")
@name_option
@json_option
def power(action: str, node: str, name: str | None, as_json: bool) -> int:
    """Work NODE's power switch as its BMC does. Off loses what was not synced."""
    from quorate.lab import power as switch

    folder = _node(name, node)
    started = time.monotonic()
    if action != "status":
        {"on": switch.on, "off": switch.off, "reset": switch.reset}[action](folder)
    state = "on" if switch.is_on(folder) else "off"
    took = time.monotonic() - started
    emit(
        {"node": node, "power": state, "took_s": round(took, 3)} if as_json else f"{node} is {state}", as_json
    )
    return EXIT_PASS


@lab.command()
@click.argument("node")
@click.argument("what", type=click.Choice(["normal", "dead", "slow", "lying", "status"]))
@click.argument("seconds", required=False)
@name_option
def bmc(node: str, what: str, seconds: str | None, name: str | None) -> int:
    """How NODE's BMC behaves: normal; dead is silent; slow SECONDS; lying does nothing and says it did."""
    from quorate.lab import behaviour

    folder = _node(name, node)
    if what != "status":
        behaviour.write(folder, behaviour.parse(f"{what} {seconds or ''}"))
    click.echo(f"the BMC of {node} is {behaviour.read(folder)}")
    return EXIT_PASS


@lab.command()
@click.argument("node", required=False)
@click.argument("network", required=False)
@click.argument(
    "what", required=False, type=click.Choice(["cut", "receive-only", "send-only", "loss", "heal"])
)
@click.argument("percent", required=False, type=float)
@name_option
@json_option
def link(
    node: str | None,
    network: str | None,
    what: str | None,
    percent: float | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Break or heal NODE's link in NETWORK, from outside the node. Without arguments: what is broken.

    As NODE sees it: cut passes nothing, receive-only loses what it sends, send-only what is sent to it,
    loss PERCENT of the frames each way.
    """
    from quorate.lab import links

    _root_user()
    folder = _folder(name)
    if node and network and what:
        if (what == "loss") != (percent is not None):
            raise UsageError("loss needs a PERCENT, and nothing else takes one")
        if what == "heal":
            links.check(folder, node, network)
            links.heal(folder.name, node, network)
        else:
            fault = links.Fault(what)
            links.put(folder, links.Faulty(node, network, fault, 100.0 if percent is None else percent))
    elif node or network or what:
        raise UsageError("say NODE, NETWORK and what to do: quorate lab link c1 cluster cut")
    elif not folder.nodes():
        raise LabError(f"there is no lab {folder.name}", next_step="./quorate lab list shows what there is")
    faults = links.faults(folder.name)
    if as_json:
        emit({"faults": [one.to_json() for one in faults]}, True)
    for one in [] if as_json else faults:
        share = f" {one.percent:g} %" if one.fault is links.Fault.LOSS else ""
        click.echo(f"{one.node} {one.network}: {one.fault.value}{share}")
    if not faults and not as_json:
        click.echo("every link is whole")
    return EXIT_PASS


@lab.command()
@click.argument("snapshot")
@name_option
def save(snapshot: str, name: str | None) -> int:
    """Keep the whole lab as it is now, running or not, under the name SNAPSHOT."""
    from quorate.lab import snapshots

    _root_user()
    folder = _folder(name)
    with ProgressListener() as listener:
        snapshots.save(folder, snapshots.Snapshot.of(state_root(), folder.name, snapshot), listener)
    return EXIT_PASS


@lab.command()
@click.argument("snapshot")
@name_option
@click.option("--verify", "verified", is_flag=True, help="Wait until every service has proved itself.")
def restore(snapshot: str, name: str | None, verified: bool) -> int:
    """Bring the whole lab back to SNAPSHOT, also after it was taken down. The snapshot stays."""
    from quorate.lab import restoring

    _root_user()
    folder = _folder(name)
    with ProgressListener() as listener:
        restoring.restore(folder, snapshot, listener)
        if not verified:
            return EXIT_PASS
        from quorate.cli.raise_plane import settled
        from quorate.operations.verify import EXIT_CODES

        found = run_async(settled(resolve(None, folder.name), listener, RESTORED_S))
    show(found)
    return EXIT_CODES[found.verdict]


@lab.command()
@click.option("--remove", metavar="SNAPSHOT", help="Remove one.")
@name_option
@json_option
def snapshots(remove: str | None, name: str | None, as_json: bool) -> int:
    """The lab's snapshots."""
    from quorate.lab import snapshots as store

    _root_user()
    folder = _folder(name)
    if remove:
        doomed = store.Snapshot.of(state_root(), folder.name, remove)
        if not doomed.path.exists():
            raise UsageError(f"the lab {folder.name} has no snapshot {remove}")
        store.remove(doomed)
    kept = [one.info() for one in store.listing(state_root(), folder.name)]
    lines = [f"{one['name']}  {one['made']}  {one['mib']} MiB" for one in kept] or ["no snapshots"]
    emit({"lab": folder.name, "snapshots": kept} if as_json else lines, as_json)
    return EXIT_PASS
