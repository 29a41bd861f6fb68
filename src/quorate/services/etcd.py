"""Coordination: etcd on every controller, for services whose workers must not do the same thing at once.

It brings its own availability: members vote (raft), and systemd runs them; Pacemaker does not touch them.
Who uses it asks 127.0.0.1, where HAProxy leads to a member that has a quorum
(docs/decisions/0014-coordination.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, cast

from pydantic import Field, model_validator

from quorate.resources.background import background
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.services.base import (
    Context,
    Frontend,
    Health,
    HealthProbe,
    HttpCheck,
    Judgement,
    Offers,
    Options,
    Service,
    VerifyStep,
)
from quorate.services.clients import coordination
from quorate.services.rendering import render
from quorate.spec.model import Cluster, Mode

PORT, PEER_PORT, HEALTH_PORT = 2379, 2380, 2381
UNIT = "etcd.service"
FOLDER = "/etc/etcd"
TLS = f"{FOLDER}/tls"
INITIAL = f"{FOLDER}/initial"
DEFAULTS = "/etc/default/etcd"
DATA = "/var/lib/etcd/quorate"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
JOIN_WAIT_S = 120.0
TIMEOUT_S = 3.0


class EtcdOptions(Options):
    """What can differ from one etcd to the next."""

    heartbeat_ms: Annotated[int, Field(ge=50, le=5000)] = 400
    """How often the leader says that it lives. etcd's manual: about the round trip between members."""
    election_ms: Annotated[int, Field(ge=500, le=50_000)] = 2000
    """A leader that is silent for so long is replaced; at least five heartbeats."""
    history_min: Annotated[int, Field(ge=1, le=1440)] = 10
    """How long former values are kept, minutes."""
    quota_mib: Annotated[int, Field(ge=64, le=8192)] = 256
    """A database that is larger takes nothing more until it was compacted."""

    @model_validator(mode="after")
    def _apart(self) -> EtcdOptions:
        if self.election_ms < 5 * self.heartbeat_ms:
            raise ValueError("election_ms has to be at least five times heartbeat_ms (etcd refuses less)")
        return self


class Etcd(Service):
    """An etcd cluster of all controllers."""

    name = "etcd"
    summary = "Coordination: etcd, locks that every controller sees"
    memory_mib = 60
    modes = (Mode.SELF,)
    packages = ("etcd-client", "etcd-server")
    units = (UNIT,)
    Options = EtcdOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """A front end at 127.0.0.1 on every controller; TLS is between client and member."""
        frontend = Frontend(
            self.name,
            port=PORT,
            backend_port=PORT,
            # Good where the member has read with a quorum; at the leader's death that is nobody for a while.
            check=HttpCheck("/health", port=HEALTH_PORT),
            http=False,
            tls=False,
            local_port=PORT,
        )
        return Offers(frontends=(frontend,))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files and whom to join before the first start; all at once; then proof that each takes part."""
        for node in ctx.controllers:
            for resource in self._configured(ctx, node):
                yield Placed(Stage.CONFIG, node, resource)
            # A stage later: who begins a cluster has to have seen that no other member answers.
            yield Placed(Stage.MEMBERSHIP, node, background(UNIT))
            joined = Resource(
                "etcd",
                "member",
                _asking(ctx, node) | {"write": False, "wait_s": JOIN_WAIT_S},
                {"joined": True, "missing": [], "initial": False},
                timeout_s=JOIN_WAIT_S + 30,
            )
            yield Placed(Stage.DATA, node, joined)
            current = unit(UNIT, active=True, restart_on=_watched(), serial=True, after=(joined.id,))
            yield Placed(Stage.DATA, node, replace(current, name=f"{UNIT}: has read its files"))

    def _configured(self, ctx: Context, node: str) -> Iterable[Resource]:
        options = cast(EtcdOptions, ctx.options[self.name])
        address = ctx.cluster.address(node)
        addresses = (address, "127.0.0.1")
        certificate, key = ctx.pki.certificate(f"etcd-{node}", addresses, (node, "localhost"), client=True)
        settings = render(
            "etcd/etcd.j2",
            node=node,
            address=address,
            cluster=ctx.cluster.cluster,
            data=DATA,
            initial=INITIAL,
            tls=TLS,
            port=PORT,
            peer_port=PEER_PORT,
            health_port=HEALTH_PORT,
            **options.model_dump(),
        )
        files = (
            file(f"{TLS}/ca.crt", ctx.pki.ca),
            file(f"{TLS}/member.crt", certificate),
            file(f"{TLS}/member.key", key, mode=0o640, group="etcd", secret=True),
            file(DEFAULTS, settings),
            file(f"{DROP_IN}/quorate.conf", render("etcd/unit.conf.j2", data=DATA, initial=INITIAL)),
        )
        yield directory(FOLDER)
        yield directory(TLS, mode=0o750, group="etcd")
        yield directory(DROP_IN)
        yield from files
        ids = tuple(each.id for each in files)
        yield unit(UNIT, enabled=True, read=True, after=ids)
        yield Resource("etcd_data", DATA, _asking(ctx, node), {"made": True}, after=ids)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A value written and read again through each member, which takes a quorum; who the members are."""
        for node in ctx.controllers:
            yield HealthProbe(self.name, node, "etcd", _asking(ctx, node) | {"write": True}, judge)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """A lock that only one of all nodes gets."""
        args = {node: _asking(ctx, node) for node in ctx.controllers}
        step = partial(coordination.one_gets_it, args=args)
        yield VerifyStep(self.name, "take a lock on one node, be refused on the others", step)


def _watched() -> tuple[str, ...]:
    return (DEFAULTS, f"{DROP_IN}/quorate.conf", TLS)


def _asking(ctx: Context, node: str) -> dict[str, Any]:
    """What `node.etcd` and `node.etcd_data` have to know."""
    members = {each: f"https://{ctx.cluster.address(each)}:{PEER_PORT}" for each in ctx.controllers}
    return {
        "node": node,
        "address": ctx.cluster.address(node),
        "port": PORT,
        "members": members,
        "tls": TLS,
        "data": DATA,
        "initial": INITIAL,
        "timeout_s": TIMEOUT_S,
    }


def judge(state: Mapping[str, Any]) -> Judgement:
    """OK when the member wrote and read with a quorum, and the members are the controllers."""
    if not state["joined"]:
        step = "on it: journalctl -u etcd; one that lost its data joins again with: quorate apply"
        return Judgement(Health.FAILED, f"takes no part: {state['error'] or 'it has no leader'}", step)
    if not state["written"]:
        return Judgement(
            Health.FAILED,
            f"nothing can be locked: {state['error'] or 'what was written does not come back'}",
            "bring a majority of the controllers back, or mend the cluster network",
        )
    if state["alarms"]:
        said = f"takes no changes: alarm {', '.join(state['alarms'])}"
        return Judgement(
            Health.FAILED, said, "on it: etcdctl defrag, then etcdctl alarm disarm (docs/services/etcd.md)"
        )
    if state["missing"]:
        return Judgement(Health.DEGRADED, f"is without {', '.join(state['missing'])}", "run: quorate apply")
    if state["strangers"]:
        said = f"counts a member that is no controller: {state['strangers'][0]}"
        return Judgement(Health.DEGRADED, said, "on it: etcdctl member remove ID (docs/services/etcd.md)")
    role = "leader" if state["leads"] else "member"
    return Judgement(Health.OK, f"{role}, a value written and read in {state['ms']} ms")
