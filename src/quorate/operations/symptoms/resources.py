"""What Pacemaker manages: virtual IPs, fencing devices, resources that failed or are too few."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from quorate.operations.observation import Observation
from quorate.operations.problems import Problem, Severity, critical
from quorate.spec.model import Mode

FENCING = "stonith:"
"""How the agent of a fencing device starts in what crm_mon prints."""
STARTING = frozenset({"Starting", "Promoting"})


def virtual_ips(seen: Observation) -> Iterator[Problem]:
    """Addresses that nobody has, or two."""
    if not seen.reachable:
        return
    services: dict[str, list[str]] = defaultdict(list)
    for service, address in seen.vips.items():
        services[address].append(service)
    for address, names in services.items():
        where = f"{', '.join(names)} ({address})"
        holders = seen.holders(address)
        resource = seen.vip_resources.get(address, "its resource")
        if not holders:
            silent = [name for name, look in seen.looks.items() if look.addresses is None]
            unless = f" that answers (not asked: {', '.join(silent)})" if silent else ""
            yield critical(
                f"its virtual IP is on no node{unless}",
                where,
                f"on a node: crm_mon -1rf shows why {resource} does not run; it needs {_needs(seen, names)}",
            )
        elif len(holders) > 1:
            yield critical(
                f"its virtual IP is on {len(holders)} nodes at once: {', '.join(holders)}",
                where,
                f"if it lasts more than some seconds: crm_mon -1 says where {resource} belongs; on the other "
                f"node: ip address del {address}/… dev …",
            )


def _needs(seen: Observation, services: list[str]) -> str:
    """What has to be there before an address is."""
    moves = any(seen.modes.get(name) is Mode.ACTIVE_PASSIVE for name in services)
    return "what stands before it in its group" if moves else "a healthy HAProxy"


def fencing_devices(seen: Observation) -> Iterator[Problem]:
    """Nodes that nobody could fence, fencing that failed."""
    view = seen.view
    if view is None:
        return
    devices = [one for one in view.resources if one.agent.startswith(FENCING)]
    if not devices:
        yield critical(
            "it has no fencing device: a node that stops answering would block everything for ever",
            seen.cluster.cluster,
            "run: quorate apply",
        )
    for device in devices:
        if device.pending or device.role in STARTING:
            continue
        if device.failed or not device.nodes:
            reasons = [failure.reason for failure in view.failures if failure.resource == device.id]
            because = f": {reasons[0]}" if reasons and reasons[0] else ""
            yield Problem(
                f"this fencing device does not work, so its node could not be fenced{because}",
                device.id,
                f"test the BMC from a node (ipmitool … chassis power status), then on a node: "
                f"crm_resource --cleanup --resource {device.id}",
                Severity.CRITICAL if _target_gone(seen, device.id) else Severity.WARNING,
            )
    settled: set[str] = set()
    for event in view.fencing:  # the newest first
        if event.target in settled:
            continue
        settled.add(event.target)
        if event.status == "failed":
            yield Problem(
                f"the last attempt to fence it failed{': ' + event.reason if event.reason else ''}",
                event.target,
                f"test it on a node: stonith_admin --reboot {event.target} (restarts it); or forget it: "
                f"stonith_admin --cleanup --history {event.target}",
            )
        elif event.status == "pending":
            yield Problem(
                "it is being fenced", event.target, "wait; if it lasts longer than a minute look at its BMC"
            )


def _target_gone(seen: Observation, device: str) -> bool:
    return any(device.endswith(f"-{name}") and not seen.online(name) for name in seen.cluster.nodes)


def failed_operations(seen: Observation) -> Iterator[Problem]:
    """Operations that failed and are remembered, and resources that Pacemaker has given up on."""
    view = seen.view
    if view is None:
        return
    devices = {one.id for one in view.resources if one.agent.startswith(FENCING)}
    for failure in view.failures:
        if failure.resource in devices:
            continue
        reason = f": {failure.reason}" if failure.reason else ""
        yield Problem(
            f"{failure.task} of {failure.resource} failed{reason}",
            failure.node,
            f"mend the reason, then on a node: crm_resource --cleanup --resource {failure.resource} "
            f"--node {failure.node}",
        )
    for one in view.resources:
        if one.blocked:
            yield critical(
                f"Pacemaker leaves {one.id} alone until somebody helps (a stop failed, or fencing did)",
                ", ".join(one.nodes) or seen.cluster.cluster,
                f"on a node: crm_mon -1rf, then crm_resource --cleanup --resource {one.id}",
            )
        elif not one.managed and not view.maintenance:
            yield Problem(
                f"{one.id} is not managed: nobody restarts it",
                ", ".join(one.nodes) or seen.cluster.cluster,
                f"on a node: crm_resource --resource {one.id} --meta --delete-parameter is-managed",
            )


def _settled(seen: Observation, node: str, parent: str) -> bool:
    """Whether ``node`` should run one of the clone ``parent`` by now."""
    return node in seen.homes.get(parent, seen.cluster.controllers) and not seen.starting(node)


def missing_instances(seen: Observation) -> Iterator[Problem]:
    """Clones that run on fewer nodes than are ready for them."""
    view = seen.view
    if view is None or not view.quorate:
        return
    ready = [node.name for node in view.nodes if node.online and not (node.standby or node.pending)]
    clones: dict[str, set[str]] = defaultdict(set)
    for one in view.resources:
        if one.parent:
            active = one.nodes if one.role not in ("Stopped", "Stopping") else ()
            clones[one.parent].update(active)
    failing = {(failure.resource, failure.node) for failure in view.failures}
    for parent, running in clones.items():
        for node in ready:
            known = any(where == node and parent.startswith(resource) for resource, where in failing)
            if node not in running and running and not known and _settled(seen, node, parent):
                yield Problem(
                    f"{parent} does not run on it",
                    node,
                    "wait if the node has just come back; otherwise on a node: crm_mon -1rf",
                )
        if not running and ready:
            yield critical(
                f"{parent} runs nowhere", seen.cluster.cluster, "on a node: crm_mon -1rf shows what failed"
            )


def incomplete_groups(seen: Observation) -> Iterator[Problem]:
    """Groups that run in part: what serves clients comes last."""
    view = seen.view
    if view is None or not view.quorate:
        return
    for group in (name for name, nodes in seen.homes.items() if not nodes):
        members = view.instances(group)
        stopped = [one.id for one in members if not one.nodes and not one.pending]
        where = [node for one in members for node in one.nodes]
        if stopped and where and not any(one.pending for one in members):
            yield critical(
                f"{group} stands still half-way: {', '.join(stopped)} did not start",
                where[0],
                f"on it: crm_mon -1rf, and journalctl -b -u pacemaker | grep {stopped[0]}",
            )


RULES = (virtual_ips, fencing_devices, failed_operations, missing_instances, incomplete_groups)
