"""Asking: one trip to every node, all at the same time, for everything that `status` has to know."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from quorate.engine.look import Answer, Question, look
from quorate.operations.observation import Finding, NodeLook, Observation, Power
from quorate.pacemaker.model import INFINITY, Clone, Group, Location, Primitive
from quorate.pacemaker.state import COMMAND, ClusterState, parse
from quorate.services.base import Health, HealthProbe, Judgement
from quorate.services.registry import Platform
from quorate.transport.base import Connect

CONNECT_S = 2.5
"""For `transport.ssh.connector`: a node that is off is known as silent after this, and shown within 3 s."""
NODE_S = 15.0
"""A node that took the connection but does not answer is given up after this: a dozen services that hang are
asked four at a time."""
PROBE_S = 5.0
"""How long one question may take on the node; services' own probes give up after 3 s."""
BMC_S = 2.5
"""A BMC of a lab or of a server room answers in 0.2 to 1 s."""
FENCE = "fence"
"""The kind of resource that asks a BMC."""
DISKS = ("/", "/var/lib/ceph", "/var/lib/mysql", "/var/lib/rabbitmq", "/var/log")
IP_AGENT = "ocf:heartbeat:IPaddr2"


async def survey(platform: Platform, connect: Connect, node_s: float = NODE_S) -> Observation:
    """Look at every node of the cluster. Never raises for a node: what went wrong is in the observation.

    Args:
        node_s: how long one node may take from the connection to its answer.
    """
    ctx = platform.ctx
    probes: dict[str, list[HealthProbe]] = {node: [] for node in ctx.cluster.nodes}
    for probe in platform.probes():
        probes[probe.node].append(probe)
    visits = (_visit(connect, node, mine, node_s) for node, mine in probes.items())
    looks = await _with_power(platform, connect, await asyncio.gather(*visits))
    return Observation(
        cluster=ctx.cluster,
        modes={name: ctx.modes[name] for name in platform.services},
        vips=dict(platform.vips),
        vip_resources=vip_resources(platform),
        looks={found.node: found for found in looks},
        homes=homes(platform),
    )


def homes(platform: Platform) -> Mapping[str, tuple[str, ...]]:
    """A clone to the nodes that have to run one of it each; a group to none, as it runs on one of several."""
    banned: dict[str, set[str]] = {}
    for fragment in platform.ctx.fragments:
        for one in fragment.constraints:
            if isinstance(one, Location) and one.score == f"-{INFINITY}":
                banned.setdefault(one.resource, set()).add(one.node)
    found: dict[str, tuple[str, ...]] = {}
    for fragment in platform.ctx.fragments:
        for resource in fragment.resources:
            if isinstance(resource, Clone):
                nodes = resource.nodes or platform.ctx.controllers
                found[resource.id] = tuple(node for node in nodes if node not in banned.get(resource.id, ()))
            elif isinstance(resource, Group):
                found[resource.id] = ()
    return found


def vip_resources(platform: Platform) -> Mapping[str, str]:
    """Virtual IP to the id of the Pacemaker resource that moves it."""
    found: dict[str, str] = {}
    for fragment in platform.ctx.fragments:
        for resource in fragment.resources:
            for primitive in _primitives(resource):
                if primitive.agent == IP_AGENT and "ip" in primitive.params:
                    found[primitive.params["ip"]] = primitive.id
    return found


def _primitives(resource: Primitive | Clone | Group) -> Sequence[Primitive]:
    if isinstance(resource, Clone):
        return (resource.primitive,)
    return resource.members if isinstance(resource, Group) else (resource,)


async def _with_power(platform: Platform, connect: Connect, looks: Sequence[NodeLook]) -> list[NodeLook]:
    """Ask the BMCs of the nodes that did not answer, through a controller that did: a second trip, if any."""
    silent = [found.node for found in looks if not found.reachable]
    controllers = platform.ctx.controllers
    peers = [found.node for found in looks if found.reachable and found.node in controllers]
    if not silent or not peers:
        return list(looks)
    questions = [
        Question(peers[0], FENCE, {**placed.resource.args, "timeout_s": BMC_S}, BMC_S + 0.5)
        for placed in platform.desired()
        if placed.resource.kind == FENCE
        and placed.node == peers[0]
        and placed.resource.args["node"] in silent
    ]
    answers = await look(connect, questions)
    power = {str(one.question.args["node"]): (one.state or {}).get("power") for one in answers}
    known = {Power.ON, Power.OFF}
    return [
        replace(found, power=Power(str(power[found.node]))) if power.get(found.node) in known else found
        for found in looks
    ]


async def _visit(connect: Connect, node: str, probes: Sequence[HealthProbe], node_s: float) -> NodeLook:
    questions = [
        Question(node, "host", {"paths": list(DISKS)}, PROBE_S),
        Question(node, "crm_mon", {"argv": list(COMMAND)}, PROBE_S),
        *(Question(node, probe.kind, probe.args, PROBE_S) for probe in probes),
    ]
    once = {_key(question): question for question in questions}
    before = time.time()
    try:
        async with asyncio.timeout(node_s):
            found = dict(zip(once, await look(connect, once.values()), strict=True))
    except TimeoutError:
        return NodeLook(node, False, why=f"it took the connection, but did not answer within {node_s:g} s")
    return read(node, [found[_key(question)] for question in questions], probes, before, time.time())


def _key(question: Question) -> tuple[str, str]:
    """Two services that ask the same get one answer."""
    return question.kind, json.dumps(question.args, sort_keys=True, default=str)


def read(
    node: str, answers: Sequence[Answer], probes: Sequence[HealthProbe], before: float, after: float
) -> NodeLook:
    """What one node's answers say: the host's, then Pacemaker's, then one for each of ``probes``. Pure.

    Args:
        before: our clock when we asked, in Unix seconds; ``after``: when the answer was here.
    """
    host, cluster, *services = answers
    if any(answer.transport_error for answer in answers):
        error = next(answer.transport_error for answer in answers if answer.transport_error)
        return NodeLook(node, False, why=error.what)
    view, why_no_view = _view(cluster)
    facts: Mapping[str, Any] = host.state or {}
    clock = float(facts.get("time_s", before))
    return NodeLook(
        node,
        True,
        view=view,
        why_no_view=why_no_view,
        addresses=frozenset(facts["addresses"]) if "addresses" in facts else None,
        uptime_s=float(facts.get("uptime_s", "inf")),
        clock_ahead_s=min(0.0, clock - before) + max(0.0, clock - after),
        disks=dict(facts.get("disks", {})),
        findings=tuple(_judge(probe, answer) for probe, answer in zip(probes, services, strict=True)),
    )


def _view(answer: Answer) -> tuple[ClusterState | None, str]:
    if answer.state is None:
        return None, answer.evidence.strip().partition("\n")[0] or answer.error
    try:
        return parse(answer.state["xml"]), ""
    except ValueError as error:
        return None, str(error)


def _judge(probe: HealthProbe, answer: Answer) -> Finding:
    if answer.state is None:
        judgement = Judgement(Health.UNKNOWN, answer.error or "it could not be asked")
        return Finding(probe.service, probe.node, judgement)
    try:
        return Finding(probe.service, probe.node, probe.judge(answer.state), answer.state)
    except Exception as error:  # noqa: BLE001  a judgement that crashed is unknown, never ok
        text = f"its judgement crashed: {type(error).__name__}: {error}"
        return Finding(probe.service, probe.node, Judgement(Health.UNKNOWN, text), answer.state)
