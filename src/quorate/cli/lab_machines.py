"""The first half of ``quorate lab up``: an image, a cluster.yaml, machines that answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quorate.cli.common import DEFAULT_NAME, Target, catalogue, emit
from quorate.errors import UsageError
from quorate.home import Home, state_root

if TYPE_CHECKING:
    from quorate.events import Listener
    from quorate.lab.image_store import ImageStore
    from quorate.lab.layout import LabFolder
    from quorate.lab.recipe import Recipe
    from quorate.spec.model import Cluster


@dataclass(frozen=True)
class Wanted:
    """The lab that a command line asks for.

    Args:
        folder: its files; they need not exist.
        home: its cluster's folder.
        file: the cluster.yaml handed in, if one was.
        cluster: what that one says, or the one that the lab has already; None where it has none yet.
    """

    folder: LabFolder
    home: Home
    file: Path | None
    cluster: Cluster | None

    def room(self) -> dict[str, Any]:
        """What there is to start, to make and to build: the arguments of `host.judge_room`."""
        from quorate.lab import host, power, template
        from quorate.services.registry import memory_of

        cluster = self.cluster or template.cluster(self.folder.name)
        off = [node for node in cluster.nodes if not power.is_on(self.folder.node(node))]
        recipes, store = images_of(self.folder, cluster)
        return {
            "memory_mib": sum(host.MACHINE_MEMORY_MIB + memory_of(cluster, node) for node in off),
            "to_make": sum(not self.folder.node(node).disk.exists() for node in cluster.nodes),
            "images": len({recipe.key for recipe in recipes.values() if not store.has(recipe)}),
        }


def wanted(file: str | None, name: str | None) -> Wanted:
    """The lab that FILE or ``--name`` means; failing both, `DEFAULT_NAME`. Changes nothing.

    Raises:
        UsageError: they contradict each other, or the name is that of a cluster on other hosts.
        SpecError: its cluster.yaml has mistakes.
    """
    from quorate.lab.layout import LabFolder
    from quorate.lab.setup import lab_name, own
    from quorate.spec.load import load

    cluster = load(Path(file), catalogue()) if file else None
    if cluster and name and name != cluster.cluster and name != os.environ.get("QUORATE_NAME"):
        raise UsageError(f"{file} describes the cluster {cluster.cluster}, but --name says {name}")
    folder = LabFolder(state_root(), lab_name(cluster.cluster if cluster else name or DEFAULT_NAME))
    home = Home.of(folder.name, folder.root)
    own(home)
    if cluster is None and home.spec.exists():
        cluster = load(home.spec, catalogue())
    return Wanted(folder, home, Path(file) if file else None, cluster)


def images_of(folder: LabFolder, cluster: Cluster | None) -> tuple[dict[str, Recipe], ImageStore]:
    """What each machine's image is made of, and where images are or will be.

    One for the members of the cluster and one for its remotes, each with what any of them needs: an image a
    node would take longer to build, and the two kinds' packages exclude each other.

    Args:
        cluster: what runs on the machines; None: the services of a lab that is given no file.
    """
    from quorate.lab import template
    from quorate.lab.image_store import ImageStore
    from quorate.lab.recipe import Recipe
    from quorate.services.registry import packages_of

    cluster = cluster or template.cluster(folder.name)
    kinds = (cluster.remotes, tuple(node for node in cluster.nodes if node not in cluster.remotes))
    recipes: dict[str, Recipe] = {}
    for alike in kinds:
        recipe = Recipe(tuple(sorted({package for node in alike for package in packages_of(cluster, node)})))
        recipes |= dict.fromkeys(alike, recipe)
    return recipes, ImageStore(folder.root)


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
    wanted: Wanted,
    mirror: str | None,
    security_mirror: str | None,
    listener: Listener,
    phases: dict[str, float],
) -> Target:
    """From whatever there is to machines that answer; hands back the cluster that they are for."""
    from quorate.lab import aptsources, image_build, raise_machines, setup
    from quorate.spec.load import load

    folder, home = wanted.folder, wanted.home
    recipes, store = images_of(folder, wanted.cluster)
    with timed(phases, "image"):
        image_build.ensure(
            store,
            recipes.values(),
            lambda: aptsources.given(mirror, security_mirror) if mirror else aptsources.of_host(),
            listener,
        )
    with timed(phases, "machines"):
        with setup.choosing(folder.root):
            setup.check_mine(folder)
            if not wanted.file and not home.spec.exists():
                setup.adopt(home, setup.default_spec(folder.root, folder.name))
            cluster = load(wanted.file or home.spec, catalogue())
            setup.check_free(folder.root, folder.name, cluster)
            if wanted.file:
                raise_machines.check_same(folder, cluster, home)  # before the lab's own file is replaced
                setup.adopt(home, wanted.file.read_text())
            images = {node: recipe.key for node, recipe in recipes.items()}
            raise_machines.define_all(folder, cluster, home, images, listener)
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
