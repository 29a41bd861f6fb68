"""What the commands share: which cluster is meant, options, output, and how async code is run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from quorate.cli.progress import ProgressListener
from quorate.errors import QuorateError, UsageError
from quorate.home import Home, state_root

if TYPE_CHECKING:
    from quorate.services.registry import Platform
    from quorate.spec.catalogue import Catalogue
    from quorate.spec.model import Cluster

__all__ = [
    "DEFAULT_NAME",
    "ProgressListener",
    "Target",
    "catalogue",
    "confirm",
    "emit",
    "json_option",
    "known_clusters",
    "name_option",
    "resolve",
    "run_async",
    "target_options",
]

DEFAULT_NAME = "lab"
"""The cluster that is meant where none is named, and the lab that ``quorate lab`` makes then."""
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """The cluster that a command is about.

    Args:
        cluster: what its cluster.yaml says.
        home: where its secrets, keys and histories are.
        spec_path: the file that was read; paths in it are relative to its folder.
    """

    cluster: Cluster
    home: Home
    spec_path: Path

    def platform(self) -> Platform:
        """Its services, and everything that they want. Raises QuorateError where that cannot be said."""
        from quorate.services.registry import platform

        return platform(self.cluster, self.home, self.spec_path.resolve().parent)


def target_options(function: F) -> F:
    """Give a command the optional argument FILE (``file``) and the option ``--name`` (``name``)."""
    return name_option(click.argument("file", required=False, metavar="[FILE]")(function))


def name_option(function: F) -> F:
    """Give a command the option ``--name`` (``name``) alone."""
    return click.option(
        "--name",
        metavar="CLUSTER",
        envvar="QUORATE_NAME",
        help="A cluster that quorate already knows. "
        f"Default: $QUORATE_NAME, or {DEFAULT_NAME!r} if there is one, or the only one there is.",
    )(function)


def json_option(function: F) -> F:
    """Give a command ``--json`` (``as_json``)."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function)


def resolve(file: str | None, name: str | None) -> Target:
    """The cluster that FILE or ``--name`` means; failing both, `DEFAULT_NAME`, or the only one there is.

    Args:
        file: path of a cluster.yaml.
        name: of a cluster that has a folder under the state root.

    Raises:
        UsageError: it is not clear which one is meant (the choices are named).
        SpecError: its cluster.yaml has mistakes.
    """
    from quorate.spec.load import load

    if file:
        path = Path(file)
        if not path.exists() and file in known_clusters():
            raise UsageError(
                f"there is no file {file!r}", next_step=f"for the cluster {file} say: --name {file}"
            )
        cluster = load(path, catalogue())
        if name and name != cluster.cluster and name != os.environ.get("QUORATE_NAME"):
            raise UsageError(f"{file} describes the cluster {cluster.cluster}, but --name says {name}")
        return Target(cluster, Home.of(cluster.cluster), path)
    name = name or _unnamed()
    home = Home.of(name)
    if name not in known_clusters():
        raise UsageError(f"there is no cluster {name!r} in {state_root() / 'clusters'}", next_step=_choices())
    cluster = load(home.spec, catalogue())
    if cluster.cluster != name:
        raise UsageError(f"it calls the cluster {cluster.cluster!r}, not {name!r}", where=str(home.spec))
    return Target(cluster, home, home.spec)


def _unnamed() -> str:
    names = known_clusters()
    if DEFAULT_NAME in names:
        return DEFAULT_NAME
    if len(names) != 1:
        what = "there is more than one cluster" if names else "there is no cluster yet"
        raise UsageError(what, next_step=_choices())
    return names[0]


def _choices() -> str:
    names = known_clusters()
    if names:
        return f"name one: {', '.join(f'--name {name}' for name in names)}, or give a cluster.yaml"
    return "give a cluster.yaml, or make one with: quorate lab up"


def known_clusters() -> list[str]:
    """The clusters that have a cluster.yaml under the state root, in alphabetical order.

    Raises:
        UsageError: the state root cannot be read.
    """
    folder = state_root() / "clusters"
    try:
        return sorted(path.name for path in folder.iterdir() if Home(path).spec.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        raise UsageError(
            f"{folder} can only be read by its owner",
            next_step="run it as root, or set QUORATE_STATE to a folder of yours",
        ) from None


def catalogue() -> Catalogue:
    """What cluster.yaml may say about each service that there is."""
    from quorate.services import registry
    from quorate.spec.catalogue import KnownService

    return {
        name: KnownService(
            summary=service.summary,
            modes=service.modes,
            needs_vip=service.needs_vip,
            always=service.always,
            options=service.Options,
            needs=service.needs,
            networks=service.networks,
            units=service.units,
        )
        for name, service in registry.available().items()
    }


def emit(data: Any, as_json: bool) -> None:
    """Print a result on standard output.

    Args:
        data: with ``as_json`` anything that JSON can hold; otherwise shown as text (a list: a line an item).
        as_json: for programs.
    """
    if as_json:
        click.echo(json.dumps(data, indent=2, default=str))
    elif isinstance(data, (list, tuple)):
        for item in data:
            click.echo(str(item))
    elif data is not None and data != "":
        click.echo(str(data))


class Terminated(QuorateError):
    """SIGTERM: somebody asked this process to end. It has cleaned up."""

    exit_code = 128 + signal.SIGTERM


def confirm(question: str) -> bool:
    """Ask on standard error; inside `run_async` too, where a signal would not be heard before the answer.

    Raises:
        click.Abort: Ctrl-C, or nobody there to answer.
        Terminated: SIGTERM.
    """

    def terminate(*_: object) -> None:
        raise Terminated("terminated")

    before = {each: signal.getsignal(each) or signal.SIG_DFL for each in (signal.SIGINT, signal.SIGTERM)}
    loop = signal.set_wakeup_fd(-1)  # It would act on the signal too, in the middle of the cleaning up.
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, terminate)
        return click.confirm(question, err=True)
    finally:
        signal.set_wakeup_fd(loop)
        for each, handler in before.items():
            signal.signal(each, handler)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end. Ctrl-C and SIGTERM cancel it, so that its ``finally`` clauses run first.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        Terminated: after SIGTERM.
    """
    terminated = False
    # What they have to say about connections that fail is an error here, or is in a drill's history.
    for library in ("aiormq", "aio_pika"):
        logging.getLogger(library).setLevel(logging.CRITICAL)

    async def outer() -> T:
        def terminate(task: asyncio.Task[Any] | None = asyncio.current_task()) -> None:  # noqa: B008 - now, not later
            nonlocal terminated
            terminated = True
            if task is not None:
                task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        return await work

    before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
    try:
        return asyncio.run(outer())
    except asyncio.CancelledError:
        if terminated:
            raise Terminated("terminated") from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
