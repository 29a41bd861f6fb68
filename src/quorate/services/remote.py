"""Nodes without a vote (computes): Pacemaker's remotes. Watched, fenced and shown like the others.

A controller keeps a connection to each. When it breaks and cannot be renewed, the node is fenced, and once it
is back the connection is made again. How many computes there are does not matter to quorum. Pacemaker asks
each of them only once a minute; a watcher on the controllers notices sooner that one is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from quorate.pacemaker.cib import REMOTE
from quorate.pacemaker.model import CUT_OFF, CUT_OFF_FROM, Away, Fragment, Location, Operation, Primitive
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.resources.watcher import FOLDER, watcher
from quorate.services.base import (
    Context,
    Health,
    HealthProbe,
    Judgement,
    Offers,
    Options,
    Service,
)
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import Cluster, Mode

UNIT = "pacemaker_remote.service"
PORT = 3121
"""Assigned by IANA (pacemaker_remote)."""
KEY = "/etc/pacemaker/authkey"
KEY_BYTES = 256
ENVIRONMENT = "/etc/default/pacemaker"
NEAR = "10"
START_S = 60
"""How long one attempt to connect may take; it is repeated for as long as the node is away."""
JOIN_WAIT_S = 120.0
WATCHER = "quorate-silence-watch.service"
WATCH = f"{FOLDER}/silence-watch"


class RemoteOptions(Options):
    """How soon a silent compute is given up. Times in seconds."""

    silent_s: Annotated[int, Field(ge=2, le=600)] = 8
    """No ping answered for so long, and the node is fenced: its guests die, so it should not just be busy."""
    monitor_s: Annotated[int, Field(ge=1, le=600)] = 60
    """How often the controller that is connected to it asks whether its daemon is there.

    Seldom: such a question cannot be handed on when its controller is cut off, and the node is fenced for
    nothing (docs/decisions/0024-a-silent-compute.md).
    """
    monitor_timeout_s: Annotated[int, Field(ge=2, le=600)] = 8
    """How long the daemon may take to answer, before the node is fenced."""
    reconnect_s: Annotated[int, Field(ge=2, le=600)] = 10
    """How often a node that is away is looked for (``reconnect_interval``)."""
    action_limit: Annotated[int, Field(ge=1, le=64)] = 8
    """How many resource operations may run on it at once."""


class Remote(Service):
    """The connections to the nodes that are no controllers. Does nothing where there are none."""

    name = "remote"
    summary = "Computes: nodes without a vote that Pacemaker watches and fences all the same"
    modes = (Mode.SELF,)
    always = True
    units = (UNIT,)
    Options = RemoteOptions

    @classmethod
    def packages_on(cls, cluster: Cluster, node: str) -> Iterable[str]:
        """Instead of ``pacemaker``: the two exclude each other. Controllers have the watcher's ``fping``."""
        if node in cluster.remotes:
            return ("pacemaker-remote", "pacemaker-cli-utils", "resource-agents")
        return ("fping",) if cluster.remotes else ()

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """A connection for each, spread over the controllers."""
        resources: list[Primitive] = []
        constraints: list[Location | Away] = []
        for index, node in enumerate(cluster.remotes):
            resources.append(connection(node, cluster.address(node), options))
            home = cluster.controllers[index % len(cluster.controllers)]
            constraints.append(Location(node, home, NEAR))
            if len(cluster.controllers) >= CUT_OFF_FROM:
                # In time it is only handed on. One that is lost has its node fenced, for nothing
                # (docs/decisions/0015-addresses-follow-the-cluster-network.md).
                constraints.append(Away(node, CUT_OFF, "1"))
        return Offers(fragment=Fragment(tuple(resources), tuple(constraints)))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """The key that both sides have; the daemon, and proof that one is connected to it; the watchers."""
        remotes = ctx.cluster.remotes
        if not remotes:
            return
        key = ctx.secrets.key("pacemaker-authkey", KEY_BYTES)
        secret = file(KEY, key, mode=0o640, group="haclient", secret=True)
        for node in ctx.cluster.nodes:
            yield Placed(Stage.CONFIG, node, directory("/etc/pacemaker", mode=0o750, group="haclient"))
            yield Placed(Stage.CONFIG, node, secret)
        for node in remotes:
            yield from self._daemon(ctx, node)
        for node in ctx.controllers:
            yield from self._watcher(ctx, node)

    def _watcher(self, ctx: Context, node: str) -> Iterable[Placed]:
        options = ctx.options[self.name]
        assert isinstance(options, RemoteOptions)
        text = render(
            "remote/silence-watch.service.j2",
            program=WATCH,
            silent_s=options.silent_s,
            controllers=[ctx.cluster.address(other) for other in ctx.controllers if other != node],
            computes={other: ctx.cluster.address(other) for other in ctx.cluster.remotes},
        )
        script = (TEMPLATES / "remote" / "silence-watch").read_text()
        yield from watcher(node, WATCHER, WATCH, script, text)

    def _daemon(self, ctx: Context, node: str) -> Iterable[Placed]:
        options = ctx.options[self.name]
        assert isinstance(options, RemoteOptions)
        text = render(
            "remote/default.j2",
            address=ctx.cluster.address(node),
            port=PORT,
            action_limit=options.action_limit,
        )
        yield Placed(Stage.CONFIG, node, file(ENVIRONMENT, text))
        runs = unit(UNIT, enabled=True, active=True, restart_on=(ENVIRONMENT, KEY))
        yield Placed(Stage.MEMBERSHIP, node, runs)
        joined = Resource(
            "pacemaker",
            "connected",
            {"node": node, "unit": UNIT, "wait_s": JOIN_WAIT_S},
            {"online": True},
            timeout_s=JOIN_WAIT_S + 15,
        )
        yield Placed(Stage.READY, node, joined)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Each one's own view of the cluster, which it has through the controller that is connected to it."""
        for node in ctx.cluster.remotes:
            yield HealthProbe(self.name, node, "pacemaker", {"node": node, "unit": UNIT}, judge)


def connection(node: str, address: str, options: RemoteOptions) -> Primitive:
    """The resource that is the connection to ``node``; its id is the node's name, as Pacemaker wants it."""
    return Primitive(
        node,
        REMOTE,
        params={
            "server": address,
            "port": str(PORT),
            "reconnect_interval": f"{options.reconnect_s}s",
        },
        # It moves with its controller in good order without a gap. When that one dies, another connects at
        # once: a connection harms nothing, so it does not wait until the dead one is fenced.
        meta={"allow-migrate": "true", "requires": "quorum"},
        operations=(
            Operation("start", 0, START_S),
            Operation("stop", 0, 30),
            Operation("monitor", options.monitor_s, options.monitor_timeout_s),
        ),
    )


def judge(state: Mapping[str, Any]) -> Judgement:
    """OK where it sees itself online in a cluster that has quorum."""
    if not state.get("online"):
        return Judgement(
            Health.FAILED, "is not online for the cluster", f"journalctl -u {UNIT} on it; crm_mon on a peer"
        )
    if not state.get("quorate"):
        return Judgement(Health.DEGRADED, "online, but the cluster has no quorum", "look at the controllers")
    return Judgement(Health.OK, f"connected; {state.get('decider') or 'nobody'} coordinates")
