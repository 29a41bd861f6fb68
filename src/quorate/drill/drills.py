"""The drills that there are, and one put together: who is hurt, who watches, where it is written down."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from quorate.drill import faults, guests, judge, workloads
from quorate.drill.contract import ALL, Bench, Fault, Operator, Scene, Workload
from quorate.drill.history import Clock, Writer, load
from quorate.drill.model import DrillResult
from quorate.drill.plugins import discover
from quorate.drill.power import IpmiPower
from quorate.drill.processes import of_service
from quorate.drill.runner import Run, Settings
from quorate.drill.targets import ROLES, forget, resolve
from quorate.drill.view import View
from quorate.errors import DrillError, UsageError
from quorate.events import Listener
from quorate.home import Home
from quorate.services.registry import Platform, platform
from quorate.spec.model import Cluster, Mode
from quorate.spec.own import mode_of
from quorate.transport.ssh import connector

RATE_HZ, CLOUD_RATE_HZ, FEW = 10.0, 2.0, 10
"""Requests a second of each client: of a few, and where more than `FEW` watch. The clients of a whole cloud
must not be the load that breaks it on a small machine; the identity plane was measured with the first."""
THAW_MARGIN_S = 30.0
"""A frozen service wakes by itself so long after the drill would have woken it."""
ROLE_SUMMARIES = {
    "vip-holder": "the node that has the virtual IP of --service (default: Keystone's, or your own one's)",
    "db-writer": "the node that takes the database's writes",
    "queue-leader": "the node that leads the quorum queue which the drill publishes to",
}


@dataclass(frozen=True)
class Wish:
    """What a person asked for.

    Args:
        fault: its name.
        target: a node's name or a role.
        service: whose processes to hit, or whose virtual IP is meant; may be "".
        rate_hz: requests a second of each workload that has no rate of its own; where it is not said,
            `RATE_HZ`, or `CLOUD_RATE_HZ` where more than `FEW` watch.
        seconds: the length of the control run, and of the fault.
        watch: names of the workloads; all that the cluster can have where none is named.
    """

    fault: str
    target: str
    service: str = ""
    rate_hz: float | None = None
    seconds: float = 20.0
    watch: tuple[str, ...] = ()


def fault(name: str) -> type[Fault]:
    """The fault called ``name``. Raises UsageError where there is none."""
    found: dict[str, type[Fault]] = discover(faults, "FAULT")
    if name not in found:
        raise UsageError(f"there is no fault {name!r}", next_step=f"choose one of: {', '.join(found)}")
    return found[name]


def catalogue() -> dict[str, dict[str, str]]:
    """Everything that can be chosen, and everything that is checked, with a line on each."""

    def lines(found: dict[str, type[Fault]] | dict[str, type[Workload]]) -> dict[str, str]:
        return {name: each.summary for name, each in found.items()}

    return {
        "faults": lines(discover(faults, "FAULT")),
        "targets": {"NODE": "a node by its name", **{role: ROLE_SUMMARIES[role] for role in ROLES}},
        "workloads": lines(discover(workloads, "WORKLOAD")),
        "checks": {name: check.summary for name, check in judge.available().items()},
    }


@dataclass(frozen=True)
class Prepared:
    """A drill that only has to be agreed to."""

    explanation: str
    scene: Scene
    fault: Fault
    wish: Wish
    watching: tuple[Workload, ...]
    view: View
    folder: Path
    clock: Clock

    async def carry_out(self, listener: Listener) -> DrillResult:
        """Do it, and judge what was recorded.

        Raises:
            DrillError: it could not be done, so nothing is proved.
        """
        rate = self.wish.rate_hz or (RATE_HZ if len(self.watching) <= FEW else CLOUD_RATE_HZ)
        settings = Settings(rate_hz=rate, seconds=self.wish.seconds)
        with Writer(self.folder, self.clock) as writer:
            run = Run(
                self.scene,
                self.fault,
                self.wish.target,
                self.watching,
                self.view,
                writer,
                self.clock,
                settings,
                listener,
            )
            try:
                await run.carry_out()
            except DrillError as error:
                writer.write("problem", text=" ".join(str(error).split()))
                raise
        return self.judged()

    def judged(self) -> DrillResult:
        """What can be said on what was recorded so far."""
        return judge.judge(load(self.folder))


@asynccontextmanager
async def prepare(
    wish: Wish,
    cluster: Cluster,
    home: Home,
    spec_path: Path,
    bench: Bench | None = None,
    operator: Operator | None = None,
) -> AsyncIterator[Prepared]:
    """Find out who is going to be hurt, and get everything ready. Nothing is broken yet.

    Where it is not carried out, nothing is left of it.

    Args:
        bench: a hand outside the nodes, where there is one.
        operator: the tool's other commands.

    Raises:
        UsageError: the wish makes no sense for this cluster.
        DrillError: nobody can say who the target is.
    """
    chosen = fault(wish.fault)()
    whole = platform(cluster, home, spec_path.resolve().parent)
    if wish.service and wish.service not in whole.services:
        choices = ", ".join(whole.services)
        raise UsageError(
            f"{cluster.cluster} has no service {wish.service!r}", next_step=f"choose one of: {choices}"
        )
    if chosen.needs_service and not wish.service:
        choices = ", ".join(name for name, service in whole.services.items() if service.units)
        raise UsageError(f"{chosen.name} hits one service", next_step=f"say --service, one of: {choices}")
    if chosen.needs_own:
        wish = replace(wish, service=_own(chosen.name, wish.service, cluster))
    if chosen.needs_bench and bench is None:
        raise UsageError(
            f"{chosen.name} needs a hand outside the nodes, and {cluster.cluster} is no lab on this host",
            where=chosen.why_bench,
            next_step="try it on a lab with the same cluster.yaml: ./quorate lab up FILE",
        )
    clock = Clock()
    async with connector(cluster, spec_path) as connect:
        view = View(whole, connect, clock)
        scene = _scene(wish, chosen, cluster, home, spec_path, whole, view)
        scene = replace(scene, bench=bench, operator=operator)
        victim = ALL if chosen.hits_all else await resolve(wish.target, wish.service, scene, view)
        folder = home.history / scene.run
        try:
            if victim not in (ALL, *cluster.controllers, *cluster.computes):
                raise DrillError(
                    f"{victim} is neither controller nor compute, and drills are for those", where=wish.target
                )
            scene = replace(scene, victim=victim, held=await _held(victim, scene, view))
            found = _watchers(wish)
            if "guest" in found and scene.services >= guests.NEEDS and operator is not None:
                scene = replace(scene, image=await operator.guest_image())
            watching = tuple(one for each in found.values() for one in each.make(scene))
            if not watching:
                raise UsageError(
                    f"{cluster.cluster} has no service that a drill could watch as a client",
                    next_step="give a service of yours a vip and health: {http: /}",
                )
            yield Prepared(chosen.explain(scene), scene, chosen, wish, watching, view, folder, clock)
        finally:
            if victim != ALL and not folder.exists():
                await forget(wish.target, scene)


def _own(fault: str, service: str, cluster: Cluster) -> str:
    """The active/passive service that is meant. Raises UsageError where that is not clear."""
    mine = {name: spec for name, spec in cluster.services.items() if spec.own}
    own = [name for name, spec in mine.items() if mode_of(spec) is Mode.ACTIVE_PASSIVE]
    if service in own:
        return service
    if not service and len(own) == 1:
        return own[0]
    choices = ", ".join(own) or f"{cluster.cluster} has none"
    raise UsageError(
        f"{fault} is about an active/passive service of yours", next_step=f"say --service, one of: {choices}"
    )


def _watchers(wish: Wish) -> dict[str, type[Workload]]:
    """The kinds of clients that are wanted: all, unless some are named. UsageError where one is unknown."""
    found: dict[str, type[Workload]] = discover(workloads, "WORKLOAD")
    unknown = [name for name in wish.watch if name not in found]
    if unknown:
        raise UsageError(f"there is no workload {unknown[0]!r}", next_step=f"choose of: {', '.join(found)}")
    return {name: each for name, each in found.items() if name in wish.watch or not wish.watch}


async def _held(victim: str, scene: Scene, view: View) -> frozenset[str]:
    """The services whose virtual IP is on the victim right now."""
    if victim == ALL or not scene.vips:
        return frozenset()
    holders = await view.holders(set(scene.vips.values()))
    return frozenset(service for service, address in scene.vips.items() if victim in holders[address])


def _scene(
    wish: Wish, chosen: Fault, cluster: Cluster, home: Home, spec_path: Path, whole: Platform, view: View
) -> Scene:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    ports: dict[str, int] = {}
    for frontend in whole.ctx.frontends:
        ports.setdefault(frontend.service, frontend.port)
    return Scene(
        run=f"{stamp}-{chosen.name}-{secrets.token_hex(2)}",
        cluster=cluster,
        secrets=whole.ctx.secrets,
        ca_file=str(home.ca_file),
        vips=whole.vips,
        ports=ports,
        nodes=view.nodes,
        power=IpmiPower(cluster, spec_path.resolve().parent),
        processes=of_service(whole.services[wish.service]) if chosen.needs_service else None,
        thaw_after_s=wish.seconds + THAW_MARGIN_S,
        services=frozenset(whole.services),
        service=wish.service,
        unfenceable=chosen.unfenceable,
    )
