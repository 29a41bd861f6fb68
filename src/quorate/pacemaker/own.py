"""What a service of the user's own asks of Pacemaker: a group that moves as one, or a clone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quorate.pacemaker import storage, unit
from quorate.pacemaker.address import virtual_ip
from quorate.pacemaker.model import Clone, Colocation, Fragment, Group, Location, Operation, Order, Primitive
from quorate.spec.model import Cluster, Mode, ServiceSpec
from quorate.spec.own import gated, health_of, mode_of, nodes_of, on_storage, server_port, unit_of

GATE_AGENT = "ocf:quorate:gate"
FILES_AGENT = "ocf:quorate:files"
STAGED = "/var/lib/quorate/own"
"""A folder a service on its nodes: the files of its shared storage, for the day that it is empty."""
SETTLE_S = 4
"""How long a monitor asks again before the service has failed: time for systemd to restart it."""
SPARE_S = 10
"""An operation may take so much longer than what it does: for a busy node."""
KILL_S = 15
"""For killing a unit that did not stop in order, and for seeing that it is gone."""
PREFER = "50"
"""Less than the stickiness of 100 of one resource: decides where it starts, never that it moves back."""
FAILBACK = "100000"
"""More than the stickiness of any group (100 for each member)."""


def fragment(
    name: str, spec: ServiceSpec, cluster: Cluster, announce: Mapping[str, Any], digest: str = ""
) -> Fragment:
    """Its part of the cluster's configuration.

    Args:
        name: the service.
        spec: what cluster.yaml says of it.
        cluster: all of cluster.yaml.
        announce: how its address is announced and watched; see `virtual_ip`.
        digest: of its files; an agent is started anew when it changes.
    """
    nodes = nodes_of(cluster, spec)
    placed = nodes if nodes != cluster.controllers else ()
    if mode_of(spec) is Mode.ACTIVE_ACTIVE:
        meta = {"requires": "quorum", "failure-timeout": "60s", "migration-threshold": "5"}
        clone = Clone(_program(name, spec, "127.0.0.1", meta, digest), {"interleave": "true"}, placed)
        return Fragment((clone,))
    disk, address, service = _members(name, spec, cluster, announce, digest)
    score = FAILBACK if spec.failback else PREFER
    prefers = (Location(name, spec.prefer, score),) if spec.prefer else ()
    if not disk or not address:
        return Fragment((Group(name, (*disk, *address, *service), nodes=placed),), prefers)
    group = Group(name, (*disk, *service), nodes=placed)
    beside = Group(f"{name}-address", address, nodes=placed)
    together = (Colocation(beside.id, group.id), Order(address[-1].id, service[0].id))
    return Fragment((group, beside), (*prefers, *together))


def _members(
    name: str, spec: ServiceSpec, cluster: Cluster, announce: Mapping[str, Any], digest: str
) -> tuple[tuple[Primitive, ...], tuple[Primitive, ...], tuple[Primitive, ...]]:
    """What holds its storage, what holds its address, and what needs both; each in the order of its start.

    Storage and address do not need each other: as one row they would take a third longer to change hands, and
    so long clients wait in a planned move. So the address is a group of its own, which is always where the
    service's is (docs/decisions/0013-address-beside-the-group.md).

    All keep Pacemaker's default ``requires=fencing``: none starts before a lost holder is certainly off.
    """
    disk = [storage.member(name, spec.storage)] if spec.storage else []
    if spec.storage and on_storage(spec):
        params = {"from": f"{STAGED}/{name}", "to": spec.storage.mount}
        disk.append(Primitive(f"{name}-files", FILES_AGENT, params, {}, _short_operations(30)))
    address = [_gate(name, spec, "gate", "closed")] if gated(spec) else []
    if spec.vip:
        address.append(virtual_ip(f"vip-{name}", cluster, str(spec.vip), **announce))
    host = str(spec.vip) if spec.vip else "127.0.0.1"
    service = [_program(f"{name}-{'unit' if spec.unit else 'agent'}", spec, host, {}, digest)]
    if gated(spec):
        service.append(_gate(name, spec, "open", "open"))
    return tuple(disk), tuple(address), tuple(service)


def _program(
    identifier: str, spec: ServiceSpec, host: str, meta: Mapping[str, str], digest: str
) -> Primitive:
    health = health_of(spec)
    deadline, interval = (health.deadline_s, health.interval_s) if health else (2, 10)
    start, stop = Operation("start", timeout_s=spec.start_s + SPARE_S), spec.stop_s + KILL_S
    monitor = Operation("monitor", interval_s=interval, timeout_s=SETTLE_S + 2 * deadline + SPARE_S)
    operations = (start, Operation("stop", timeout_s=stop, on_fail="fence"), monitor)
    if spec.agent:
        # Pacemaker starts anew what has another parameter, and agents do not mind one that they do not know.
        changed = {"quorate_files": digest} if digest else {}
        return Primitive(identifier, spec.agent, {**spec.parameters, **changed}, meta, operations)
    params = {
        "unit": unit_of(spec),
        **check(spec, host),
        "deadline": str(deadline),
        "settle": str(SETTLE_S),
        "patience": str(spec.stop_s),
    }
    return Primitive(identifier, unit.AGENT, params, meta, operations)


def check(spec: ServiceSpec, host: str) -> dict[str, str]:
    """How `ocf:quorate:unit` asks it whether it works, on its node.

    Args:
        spec: what cluster.yaml says of it.
        host: the address that it listens on.
    """
    health, port = health_of(spec), server_port(spec)
    if health is None:
        return {"check": "none"}
    if health.command:
        return {"check": "command", "target": " ".join(health.command)}
    if health.http:
        return {"check": "http", "target": f"http://{host}:{port}{health.http}"}
    return {"check": "tcp", "target": f"{host}:{port}"}


def _gate(name: str, spec: ServiceSpec, end: str, side: str) -> Primitive:
    params = {"name": name, "ip": str(spec.vip), "port": str(spec.port), "side": side}
    return Primitive(f"{name}-{end}", GATE_AGENT, params, {}, _short_operations(20))


def _short_operations(timeout_s: float) -> tuple[Operation, ...]:
    # Not watched: nothing of these ends by itself, and each watch begins in the middle of a take-over.
    return (
        Operation("start", timeout_s=timeout_s),
        Operation("stop", timeout_s=timeout_s, on_fail="fence"),
    )
