"""What Pacemaker says about itself, as values: a pure reading of ``crm_mon --output-as=xml`` (crm_mon(8)).

What it reports is what the cluster believes. Whether a service does its job is for its own probe to say.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass

COMMAND = ("crm_mon", "--one-shot", "--output-as=xml", "--inactive", "--fence-history=3")
"""Prints what `parse` reads. Level 3 shows all fencing actions, failed and pending ones too."""


@dataclass(frozen=True)
class NodeState:
    """A member, or a node that should be one.

    Attributes:
        online: takes part and may run resources. False for a node that is off.
        unclean: nobody knows what it does: it has to be fenced before its resources may start elsewhere.
        standby: alive, asked to run nothing.
        maintenance: alive, its resources are left as they are.
        pending: a member of Corosync that has not yet joined Pacemaker.
        dc: elected to decide for all (the designated controller).
        remote: a node without a vote, which a member is connected to.
    """

    name: str
    online: bool
    unclean: bool = False
    standby: bool = False
    maintenance: bool = False
    pending: bool = False
    dc: bool = False
    remote: bool = False


@dataclass(frozen=True)
class ResourceState:
    """One instance of a resource.

    Attributes:
        id: of the primitive.
        parent: id of its clone or group, or "".
        role: Started, Stopped, Promoted, Unpromoted, Starting …
        nodes: where it is active: more than one is wrong for anything that is no clone.
        failed: its last operation failed and was not mended yet.
        blocked: Pacemaker does nothing with it, for want of fencing or because a stop failed.
        managed: Pacemaker may start and stop it.
        pending: the operation in flight ("Starting", "Monitoring" …), or "".
    """

    id: str
    parent: str
    agent: str
    role: str
    nodes: tuple[str, ...]
    failed: bool = False
    blocked: bool = False
    managed: bool = True
    pending: str = ""


@dataclass(frozen=True)
class Failure:
    """An operation that failed and is still remembered."""

    resource: str
    node: str
    task: str
    reason: str


@dataclass(frozen=True)
class FenceEvent:
    """One fencing action: ``status`` is success, failed or pending; ``completed`` is local time."""

    target: str
    action: str
    status: str
    origin: str = ""
    delegate: str = ""
    completed: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ClusterState:
    """The cluster as one of its members sees it."""

    dc: str
    quorate: bool
    maintenance: bool
    nodes: tuple[NodeState, ...]
    resources: tuple[ResourceState, ...]
    failures: tuple[Failure, ...] = ()
    fencing: tuple[FenceEvent, ...] = ()

    def node(self, name: str) -> NodeState | None:
        """The node called ``name``, or None where the cluster does not know it."""
        return next((node for node in self.nodes if node.name == name), None)

    def instances(self, resource: str) -> tuple[ResourceState, ...]:
        """All instances of a primitive; ``resource`` is its id or its clone's or group's."""
        return tuple(one for one in self.resources if resource in (one.id, one.parent))

    def holders(self, resource: str) -> tuple[str, ...]:
        """The nodes on which ``resource`` is active, promoted or not."""
        active = (one for one in self.instances(resource) if one.role not in ("Stopped", "Stopping"))
        return tuple(node for one in active for node in one.nodes)

    def holder(self, resource: str) -> str:
        """The one node that has ``resource``, or "" where none has it."""
        return next(iter(self.holders(resource)), "")


def parse(xml: str | bytes) -> ClusterState:
    """Read the output of `COMMAND`.

    Raises:
        ValueError: it is not the output of crm_mon, or crm_mon could not reach the cluster.
    """
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise ValueError(f"crm_mon did not print XML: {error}") from error
    dc = root.find("summary/current_dc")
    nodes = root.find("nodes")
    if dc is None or nodes is None:
        status = root.find("status")
        message = status.get("message", "") if status is not None else ""
        raise ValueError(f"crm_mon shows no cluster: {message or 'no <nodes> in its answer'}")
    options = root.find("summary/cluster_options")
    return ClusterState(
        dc=dc.get("name", "") if dc.get("present") == "true" else "",
        quorate=dc.get("with_quorum") == "true",
        maintenance=options is not None and options.get("maintenance-mode") == "true",
        nodes=tuple(_node(node) for node in nodes.findall("node")),
        resources=tuple(_resources(root.find("resources"), "")),
        failures=tuple(_failure(failure) for failure in root.iterfind("failures/failure")),
        fencing=tuple(_fence(event) for event in root.iterfind("fence_history/fence_event")),
    )


def _true(element: ET.Element, key: str) -> bool:
    return element.get(key) == "true"


def _node(element: ET.Element) -> NodeState:
    return NodeState(
        name=element.get("name", ""),
        online=_true(element, "online"),
        unclean=_true(element, "unclean"),
        standby=_true(element, "standby"),
        maintenance=_true(element, "maintenance"),
        pending=_true(element, "pending"),
        dc=_true(element, "is_dc"),
        remote=element.get("type") == "remote",
    )


def _resources(element: ET.Element | None, parent: str) -> Iterator[ResourceState]:
    for child in element if element is not None else ():
        if child.tag in ("clone", "group"):
            # A group inside a clone keeps its own id: "group:0" is instance 0.
            yield from _resources(child, child.get("id", "").split(":")[0])
        elif child.tag == "resource":
            yield ResourceState(
                id=child.get("id", "").split(":")[0],
                parent=parent,
                agent=child.get("resource_agent", ""),
                role=child.get("role", ""),
                nodes=tuple(node.get("name", "") for node in child.findall("node")),
                failed=_true(child, "failed"),
                blocked=_true(child, "blocked"),
                managed=child.get("managed") != "false",
                pending=child.get("pending", ""),
            )


def _failure(element: ET.Element) -> Failure:
    # op_key is <resource>_<task>_<interval in ms>; resource ids may hold underscores, tasks do not.
    resource, task, _ = [*(element.get("op_key") or "").rsplit("_", 2), "", ""][:3]
    reason = element.get("exitreason") or element.get("exitstatus") or ""
    return Failure(
        resource or element.get("id", ""), element.get("node", ""), element.get("task", task), reason
    )


def _fence(element: ET.Element) -> FenceEvent:
    return FenceEvent(
        target=element.get("target", ""),
        action=element.get("action", ""),
        status=element.get("status", ""),
        origin=element.get("origin", ""),
        delegate=element.get("delegate", ""),
        completed=element.get("completed", ""),
        reason=element.get("exit-reason", ""),
    )
