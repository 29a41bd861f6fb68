"""The cluster manager: Pacemaker, with everything that the services ask of it in one document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from quorate.pacemaker import cib
from quorate.pacemaker.model import Clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.command import command
from quorate.resources.file import directory, file
from quorate.resources.shared_filesystem import WATCH_UNIT
from quorate.resources.unit import unit
from quorate.services.base import Context, Health, HealthProbe, Judgement, Options, Service
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import Mode

UNIT = "pacemaker.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
ENVIRONMENT = "/etc/default/pacemaker"
PROGRAMS = "/usr/local/lib/quorate"
WAIT = f"{PROGRAMS}/wait-for-peers"
LATE_NEWS, LATE_NEWS_S = f"{PROGRAMS}/late-news", 120
"""A node that hears of its own fencing so soon after a boot (seconds) starts the cluster's daemons again."""
AGENTS = "/usr/lib/ocf/resource.d/quorate"
OWN_AGENTS = ("unit", "gate", "files", "galera")
"""Resource agents of ours, ``ocf:quorate:<name>``: shell programs in templates/pacemaker."""
PYTHON_AGENTS = ("storage",)
"""The same, in Python."""
PARSES = ("python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1], encoding='utf-8').read())", "{}")
FIRST = "/var/lib/pacemaker/cib/cib.xml"
JOIN_WAIT_S = 60.0
DEFAULTS = {"resource-stickiness": "100", "migration-threshold": "3", "failure-timeout": "60s"}
"""For every resource: it stays where it is; a third failure on a node moves it; a minute forgives."""


class PacemakerOptions(Options):
    """What can differ from one cluster to the next. Times in seconds."""

    peers_wait_s: Annotated[int, Field(ge=0, le=600)] = 30
    """At boot, how long Pacemaker waits for all nodes before it starts, and may fence the missing ones."""
    election_wait_s: Annotated[int, Field(ge=1, le=60)] = 2
    """``dc-deadtime``: how long a starting node listens for a coordinator before one is elected."""
    action_limit: Annotated[int, Field(ge=1, le=64)] = 8
    """How many resource operations may run on a node at once."""
    transition_delay_ms: Annotated[int, Field(ge=0, le=10_000)] = 100
    """How long events have to be over before Pacemaker decides (``transition-delay``)."""
    settle_s: Annotated[int, Field(ge=10, le=3600)] = 300
    """How long an apply waits until what it changed has been carried out."""


class Pacemaker(Service):
    """Decides what runs where, and has it done."""

    name = "pacemaker"
    summary = "The cluster manager: what runs where, and what happens when a node is lost"
    memory_mib = 120
    modes = (Mode.SELF,)
    always = True
    # The command-line tools are only recommended by Debian; xmllint is what the Galera agent needs.
    packages = ("pacemaker", "pacemaker-cli-utils", "resource-agents", "libxml2-utils")
    units = (UNIT,)
    Options = PacemakerOptions

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files, daemons and, on the first controller, the cluster's configuration."""
        options = ctx.options[self.name]
        assert isinstance(options, PacemakerOptions)
        drop_in = render(
            "pacemaker/pacemaker.service.conf.j2",
            program=WAIT,
            wait_s=options.peers_wait_s,
            late_news=LATE_NEWS,
            late_news_s=LATE_NEWS_S,
        )
        late_news = (TEMPLATES / "pacemaker" / "late-news").read_text()
        wait = (TEMPLATES / "pacemaker" / "wait-for-peers").read_text()
        environment = render("pacemaker/default.j2", action_limit=options.action_limit)
        for node in ctx.cluster.nodes:
            for resource in (directory(AGENTS), *_agents()):
                yield Placed(Stage.CONFIG, node, resource)
        for node in ctx.controllers:
            for resource in (
                file(ENVIRONMENT, environment),
                directory(PROGRAMS),
                file(WAIT, wait, mode=0o755, validate=("sh", "-n", "{}")),
                file(LATE_NEWS, late_news, mode=0o755, validate=("sh", "-n", "{}")),
                directory(DROP_IN),
                file(f"{DROP_IN}/quorate.conf", drop_in, after=(f"file:{WAIT}", f"file:{LATE_NEWS}")),
                _first_configuration(properties(ctx)),
            ):
                yield Placed(Stage.CONFIG, node, resource)
            yield Placed(
                Stage.MEMBERSHIP, node, unit(UNIT, enabled=True, active=True, after=("corosync:quorum",))
            )
            yield Placed(Stage.MEMBERSHIP, node, _joined(node))
        yield Placed(Stage.CLUSTER, ctx.leader, _configuration(ctx, options.settle_s))
        yield Placed(Stage.SERVICES, ctx.leader, _released(ctx, options.settle_s))

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Every node's own view."""
        for node in ctx.controllers:
            yield HealthProbe(self.name, node, "pacemaker", {"node": node}, judge)


def properties(ctx: Context) -> dict[str, str]:
    """The cluster's options (``crm_config``)."""
    options = ctx.options[Pacemaker.name]
    assert isinstance(options, PacemakerOptions)
    fencing = ctx.cluster.fencing
    return {
        "stonith-enabled": "true",
        "stonith-action": fencing.action,
        "stonith-timeout": f"{fencing.timeout_s}s",
        "no-quorum-policy": "stop",
        # A failed start counts as one failure, not as a ban for good.
        "start-failure-is-fatal": "false",
        "dc-deadtime": f"{options.election_wait_s}s",
        # Without it, a controller that has lost a peer often finds updates of its own under way, and then
        # sleeps for a whole second (docs/decisions/0003-transition-delay.md).
        "transition-delay": f"{options.transition_delay_ms}ms",
        # Out of reach: above it, Pacemaker does one thing at a time, which a survivor that takes over the
        # load of others cannot afford. (In a container the load is the host's, besides.)
        "load-threshold": "10000%",
    }


def document(ctx: Context) -> str:
    """The cluster's configuration: every service's part of it."""
    return cib.document(ctx.fragments, properties(ctx), DEFAULTS)


def _first_configuration(options: Mapping[str, str]) -> Resource:
    """What Pacemaker starts with the very first time: without it, the first election alone takes 20 seconds.

    Any cluster that the node joins has a newer one, which replaces it.
    """
    return command(
        "pacemaker's first configuration",
        check=("test", "-s", FIRST),
        fix=("install", "-o", "hacluster", "-g", "haclient", "-m", "0600", "/dev/stdin", FIRST),
        stdin=cib.document(properties=options),
    )


def _agents() -> Iterable[Resource]:
    for name in OWN_AGENTS:
        program = (TEMPLATES / "pacemaker" / name).read_text()
        yield file(f"{AGENTS}/{name}", program, mode=0o755, validate=("sh", "-n", "{}"))
    for name in PYTHON_AGENTS:
        program = (TEMPLATES / "pacemaker" / name).read_text()
        yield file(f"{AGENTS}/{name}", program, mode=0o755, validate=PARSES)
    watch = (TEMPLATES / "pacemaker" / WATCH_UNIT).read_text()
    yield file(f"/etc/systemd/system/{WATCH_UNIT}", watch)


def _joined(node: str) -> Resource:
    return Resource(
        "pacemaker",
        "joined",
        {"node": node, "wait_s": JOIN_WAIT_S},
        {"online": True, "dc": True, "quorate": True},
        after=(f"unit:{UNIT}",),
        timeout_s=JOIN_WAIT_S + 15,
    )


def held(ctx: Context) -> list[str]:
    """The clones that are not started, when they are new, before `Stage.SERVICES`."""
    parts = (one for fragment in ctx.fragments for one in fragment.resources)
    return [one.id for one in parts if isinstance(one, Clone) and one.held]


def _configuration(ctx: Context, settle_s: int) -> Resource:
    return Resource(
        "cib",
        "configuration",
        {"document": document(ctx), "held": held(ctx), "settle_s": settle_s},
        {"differences": []},
        timeout_s=settle_s + 90.0,
    )


def _released(ctx: Context, settle_s: int) -> Resource:
    args = {"clones": held(ctx), "settle_s": settle_s}
    return Resource("released", "services", args, {"held": []}, timeout_s=settle_s + 90.0)


def judge(state: Mapping[str, Any]) -> Judgement:
    """OK where the node has joined a cluster that has quorum and a coordinator."""
    if not state.get("online"):
        return Judgement(Health.FAILED, "has not joined the cluster", "journalctl -u pacemaker on the node")
    if not state.get("quorate"):
        return Judgement(Health.FAILED, "no quorum: runs nothing", "bring the other controllers back")
    if not state.get("dc"):
        return Judgement(Health.DEGRADED, "nobody coordinates the cluster at the moment", "look again")
    if state["unclean"]:
        unclean = ", ".join(state["unclean"])
        return Judgement(
            Health.DEGRADED,
            f"{unclean} must be fenced first",
            f"make sure that {unclean} is off, then stonith_admin --confirm={state['unclean'][0]}",
        )
    return Judgement(Health.OK, f"joined; {state['decider']} coordinates")
