"""What Pacemaker's own scheduler says that it will do with the configurations that we generate.

For every example, and every single node that can be lost in it. No cluster runs.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.lab.plane import ROOT

from quorate.cli.lab_machines import images_of
from quorate.events import silent
from quorate.home import Home, state_root
from quorate.lab import aptsources, image_build
from quorate.lab.layout import LabFolder
from quorate.pacemaker import simulate, state
from quorate.services import pacemaker
from quorate.services.registry import Platform, platform
from quorate.spec.load import load
from quorate.spec.model import Mode

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))
INSIDE = "/mnt"
"""Where the test's folder is in the image."""


@dataclass(frozen=True)
class Scheduler:
    """Pacemaker's tools out of a machine image, with a folder to work in."""

    image: Path
    folder: Path

    def run(self, argv: list[str]) -> str:
        script = f'mount --bind "$1" "$2{INSIDE}" && image=$2 && shift 2 && exec chroot "$image" "$@"'
        enter = ["unshare", "--mount", "sh", "-c", script, "sh", str(self.folder), str(self.image)]
        done = subprocess.run([*enter, *argv], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout

    def seen(self, name: str) -> state.ClusterState:
        return state.parse(self.run(simulate.afterwards(f"{INSIDE}/{name}")))


@dataclass(frozen=True)
class Example:
    """One example, all of it running on all of its nodes."""

    its: Platform
    scheduler: Scheduler
    before: state.ClusterState

    def lose(self, node: str) -> tuple[tuple[str, ...], state.ClusterState]:
        """Who is fenced when ``node`` vanishes, and what the cluster is afterwards."""
        argv = simulate.simulation(f"{INSIDE}/{node}.xml", source=f"{INSIDE}/up.xml", fail=[node])
        return simulate.fenced(self.scheduler.run(argv)), self.scheduler.seen(f"{node}.xml")

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The active/passive services that are groups, and where each may run."""
        services = self.its.ctx.cluster.services
        return {
            name: services[name].nodes or self.its.ctx.controllers
            for name, mode in self.its.ctx.modes.items()
            if mode is Mode.ACTIVE_PASSIVE and name in services
        }


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Example:
    if os.geteuid() != 0:
        pytest.fail("the tools come out of a machine image, which only root can build and enter")
    folder = tmp_path_factory.mktemp(request.param)
    cluster = load(ROOT / "examples" / f"{request.param}.yaml")
    for node in cluster.nodes.values():
        assert node.bmc is not None
        secret = folder / node.bmc.password_file
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("secret\n")
        secret.chmod(0o600)
    its = platform(cluster, Home(folder / "home"), folder)
    recipes, store = images_of(LabFolder(state_root(), cluster.cluster), cluster)
    recipe = recipes[cluster.controllers[0]]
    image_build.ensure(store, [recipe], aptsources.of_host, silent)
    image = store.rootfs(recipe.key)
    scheduler = Scheduler(image, folder)
    (folder / "cib.xml").write_text(pacemaker.document(its.ctx))
    scheduler.run(["crm_verify", f"--xml-file={INSIDE}/cib.xml", "-V"])
    scheduler.run(simulate.started(f"{INSIDE}/cib.xml", f"{INSIDE}/up.xml", its.ctx.controllers))
    return Example(its, scheduler, scheduler.seen("up.xml"))


def test_all_of_it_starts_and_every_address_has_one_holder(example: Example) -> None:
    assert {node.name for node in example.before.nodes if node.online} == set(example.its.ctx.cluster.nodes)
    single = [one for one in example.before.resources if one.parent not in clones(example)]
    assert [one.id for one in single if one.role == "Stopped"] == []


def clones(example: Example) -> set[str]:
    """Clones have an instance a node, and one that may not run there is stopped."""
    return {one.parent for one in example.before.resources if one.parent.endswith("-clone")}


def test_whichever_node_is_lost_is_fenced_first_and_nothing_else_is(example: Example) -> None:
    for node in example.its.ctx.controllers:
        fenced, _ = example.lose(node)
        assert fenced == (node,)


def test_what_the_lost_node_had_alone_runs_once_elsewhere_and_the_rest_stays(example: Example) -> None:
    alone = [
        one.id
        for one in example.before.resources
        if one.parent not in clones(example) and not one.agent.startswith("stonith:")
    ]
    assert alone
    for node in example.its.ctx.controllers:
        _, after = example.lose(node)
        for resource in alone:
            before, now = example.before.holders(resource), after.holders(resource)
            assert len(now) == 1, f"{resource} after the loss of {node}: {now}"
            assert now[0] != node
            if before != (node,):
                assert now == before, f"{resource} moved from {before} to {now}, though {node} was lost"


def test_a_group_stays_together_on_the_nodes_that_it_may_run_on(example: Example) -> None:
    for name, allowed in example.groups().items():
        for found in (example.before, *(example.lose(node)[1] for node in example.its.ctx.controllers)):
            holders = {found.holders(one.id) for one in found.resources if one.parent == name}
            assert len(holders) == 1, f"{name} is torn apart: {holders}"
            assert next(iter(holders))[0] in allowed


def test_a_node_that_returns_takes_nothing_away_from_the_others(example: Example) -> None:
    prefers = {name for name, spec in example.its.ctx.cluster.services.items() if spec.failback}
    for node in example.its.ctx.controllers:
        _, after = example.lose(node)
        source, back = f"{INSIDE}/{node}.xml", f"{INSIDE}/back.xml"
        example.scheduler.run(simulate.simulation(back, source=source, up=[node]))
        returned = example.scheduler.seen("back.xml")
        for one in after.resources:
            if one.parent not in clones(example) | prefers and not one.agent.startswith("stonith:"):
                assert returned.holders(one.id) == after.holders(one.id)
