"""The first half of ``quorate lab up``: an image, a cluster.yaml, machines that answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quorate.cli.common import Target, catalogue, emit
from quorate.errors import UsageError
from quorate.home import Home, state_root

if TYPE_CHECKING:
    from quorate.events import Listener

DEFAULT = "lab"
"""The lab that is meant where none is named."""


@contextmanager
def timed(phases: dict[str, float], what: str) -> Iterator[None]:
    """Add the seconds that this block takes to ``phases[what]``."""
    started = time.monotonic()
    try:
        yield
    finally:
        phases[what] = phases.get(what, 0.0) + time.monotonic() - started


def rounded(phases: dict[str, float]) -> dict[str, float]:
    """To milliseconds, for ``--json``."""
    return {name: round(seconds, 3) for name, seconds in phases.items()}


def bring_up(
    file: str | None,
    name: str | None,
    mirror: str | None,
    security_mirror: str | None,
    listener: Listener,
    phases: dict[str, float],
) -> Target:
    """From whatever there is to machines that answer; hands back the cluster that they are for."""
    from quorate.lab import aptsources, image_build, raise_machines, setup
    from quorate.lab.image_store import ImageStore
    from quorate.lab.layout import LabFolder
    from quorate.lab.recipe import Recipe
    from quorate.services.registry import image_packages
    from quorate.spec.load import load

    root = state_root()
    given = None
    if file:
        given = load(Path(file), catalogue())
        if name and name != given.cluster and name != os.environ.get("QUORATE_NAME"):
            raise UsageError(f"{file} describes the cluster {given.cluster}, but --name says {name}")
    folder = LabFolder(root, setup.lab_name(given.cluster if given else name or DEFAULT))
    home = Home.of(folder.name, root)
    recipe, store = Recipe(image_packages()), ImageStore(root)
    with timed(phases, "image"):
        if not store.has(recipe):
            source = aptsources.given(mirror, security_mirror) if mirror else aptsources.of_host()
            image_build.ensure(store, recipe, source, listener)
    with timed(phases, "machines"):
        with setup.choosing(root):
            if given and file:
                setup.check_free(root, folder.name, given)
                raise_machines.check_same(folder, given, home)
                setup.adopt(home, Path(file).read_text())
            elif not home.spec.exists():
                setup.adopt(home, setup.default_spec(root, folder.name))
            cluster = load(home.spec, catalogue())
            setup.check_free(root, folder.name, cluster)
            raise_machines.define_all(folder, cluster, home, recipe.key, listener)
        raise_machines.start([folder.node(node) for node in cluster.nodes], listener)
    return Target(cluster, home, home.spec)


def show(target: Target, phases: dict[str, float], as_json: bool) -> None:
    """Print the machines, and where their keys are."""
    nodes = [
        {
            "name": name,
            "addresses": {network: str(address) for network, address in node.addresses.items()},
            "bmc": str(node.bmc.address) if node.bmc else None,
        }
        for name, node in target.cluster.nodes.items()
    ]
    home, took = str(target.home.path), sum(phases.values())
    if as_json:
        emit({"lab": target.cluster.cluster, "home": home, "nodes": nodes, "machines": rounded(phases)}, True)
        return
    for name, node in target.cluster.nodes.items():
        addresses = "  ".join(f"{network} {address}" for network, address in node.addresses.items())
        click.echo(f"{name}  {addresses}  BMC {node.bmc.address if node.bmc else 'none'}")
    click.echo(f"keys and cluster.yaml: {home}\n{len(nodes)} machines answer after {took:.1f} s")
