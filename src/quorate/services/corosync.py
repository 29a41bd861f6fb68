"""Membership: Corosync over two encrypted knet links, and votequorum.

Every packet goes over both links at once (``link_mode: active``), so that losing a network costs nothing, and
the verdict of knet's pings may be slow: on a busy node a quick one took links down that were well, and with
them the token. How fast a dead node is noticed is then the token timeout alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.services.base import Context, Health, HealthProbe, Judgement, Options, Service
from quorate.services.rendering import render
from quorate.spec.model import Mode

UNIT = "corosync.service"
FOLDER = "/etc/corosync"
CONFIG = f"{FOLDER}/corosync.conf"
KEY = f"{FOLDER}/authkey"
KEY_BYTES = 256
"""corosync.conf(5) takes 128 to 4096 bytes; as many as corosync-keygen(8) makes by default."""
NETWORKS = ("cluster", "api")
"""Link 0 and link 1."""
QUORUM_WAIT_S = 30.0


class CorosyncOptions(Options):
    """How soon a silent node is given up. Times in milliseconds."""

    token_ms: Annotated[int, Field(ge=300, le=60_000)] = 400
    """A member that is silent for so long has failed; agreeing on that takes 1.2 times as long again."""
    link_mode: Literal["active", "passive"] = "active"
    """Both links at once, or the second when the first is down: then pings time out before the token."""
    ping_interval_ms: Annotated[int, Field(ge=50, le=10_000)] = 200
    ping_timeout_ms: Annotated[int, Field(ge=200, le=60_000)] = 2000
    """A link that answered no ping this long is down. knet looks about every 200 ms."""

    @model_validator(mode="after")
    def _consistent(self) -> CorosyncOptions:
        if self.link_mode == "passive" and self.ping_timeout_ms >= self.token_ms:
            raise ValueError(
                f"with link_mode passive, ping_timeout_ms ({self.ping_timeout_ms}) must be under token_ms "
                f"({self.token_ms}), or losing one network loses nodes"
            )
        if self.ping_interval_ms * 2 > self.ping_timeout_ms:
            raise ValueError("ping_interval_ms must be at most half of ping_timeout_ms")
        return self


class Corosync(Service):
    """Who is a member, and whether the members are a majority."""

    name = "corosync"
    summary = "Membership and quorum: two encrypted links, a silent node is given up in under a second"
    memory_mib = 130
    modes = (Mode.SELF,)
    always = True
    packages = ("corosync",)
    units = (UNIT,)
    Options = CorosyncOptions

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Its configuration, its key, its unit, and quorum."""
        config = configuration(ctx)
        key = ctx.secrets.key("corosync-authkey", KEY_BYTES)
        for node in ctx.controllers:
            yield Placed(Stage.CONFIG, node, directory(FOLDER))
            validate = ("corosync", "-t", "-c", "{}")
            # The checker reads the key too.
            yield Placed(Stage.CONFIG, node, file(KEY, key, mode=0o400, secret=True))
            yield Placed(Stage.CONFIG, node, file(CONFIG, config, validate=validate, after=(f"file:{KEY}",)))
            yield Placed(Stage.MEMBERSHIP, node, unit(UNIT, enabled=True, active=True))
            args = {"files": [CONFIG, KEY], "wait_s": QUORUM_WAIT_S}
            quorum = Resource(
                "corosync",
                "quorum",
                args,
                {"quorate": True, "loaded": True},
                after=(f"unit:{UNIT}",),
                timeout_s=QUORUM_WAIT_S + 30,
            )
            yield Placed(Stage.MEMBERSHIP, node, quorum)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """What every member sees of the others."""
        expected = sorted(ctx.controllers)

        def judged(state: Mapping[str, Any]) -> Judgement:
            return judge(state, expected)

        for node in ctx.controllers:
            yield HealthProbe(self.name, node, "corosync", {"files": [CONFIG, KEY]}, judged)


def configuration(ctx: Context) -> str:
    """corosync.conf, the same on every node."""
    networks = [network for network in NETWORKS if network in ctx.cluster.networks]
    nodes = [
        {
            "name": name,
            "id": node_id(ctx, name),
            "addresses": [ctx.cluster.address(name, network) for network in networks],
        }
        for name in ctx.controllers
    ]
    options = ctx.options[Corosync.name].model_dump()
    return render(
        "corosync/corosync.conf.j2", cluster=ctx.cluster.cluster, links=len(networks), nodes=nodes, **options
    )


def node_id(ctx: Context, node: str) -> int:
    """The host part of its address on the cluster network: it stays when other nodes come and go."""
    network = ctx.cluster.networks[NETWORKS[0]].cidr
    return int(IPv4Address(ctx.cluster.address(node))) - int(network.network_address)


def judge(state: Mapping[str, Any], expected: list[str]) -> Judgement:
    """OK with quorum, all members and all links."""
    members = ", ".join(state.get("members", ()))
    if not state.get("quorate"):
        return Judgement(
            Health.FAILED,
            f"no quorum: sees only {members or 'itself'}",
            "power on the other controllers, or mend the cluster network",
        )
    missing = sorted(set(expected) - set(state["members"]))
    if missing:
        return Judgement(
            Health.DEGRADED, f"quorate without {', '.join(missing)}", f"bring {', '.join(missing)} back"
        )
    if state["links_down"]:
        down = ", ".join(state["links_down"])
        return Judgement(Health.DEGRADED, f"link down to {down}", "corosync-cfgtool -n on the node shows it")
    if not state["loaded"]:
        return Judgement(Health.DEGRADED, "runs with an older configuration", "run apply")
    return Judgement(Health.OK, f"quorate with {members}")
