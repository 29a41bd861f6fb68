"""What services ask of Pacemaker, as values. `pacemaker.cib` turns all of it into one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

INFINITY = "INFINITY"
CUT_OFF, CUT_OFF_FROM = "quorate-cut-off", 3
"""Attribute of a controller, "1" while it reaches no other over the cluster's own network; and how many
controllers there have to be for that to be watched: one with quorum then always has another to reach."""


@dataclass(frozen=True)
class Operation:
    """A resource operation: ``monitor``, ``start``, ``stop``, ``promote`` … Times in seconds."""

    name: str
    interval_s: float = 0
    timeout_s: float = 20
    role: str = ""
    on_fail: str = ""


@dataclass(frozen=True)
class Primitive:
    """One resource. ``agent`` is "ocf:heartbeat:IPaddr2"-like."""

    id: str
    agent: str
    params: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    operations: tuple[Operation, ...] = ()


@dataclass(frozen=True)
class Clone:
    """A primitive that runs on several nodes; ``meta`` takes promotable, interleave …

    ``nodes`` are those that it runs on, and nobody looks for it elsewhere; where empty, all members. A remote
    node (one without a vote) runs nothing that does not name it here. ``held``: when it is new, it is not
    started before what it works on (schemas, accounts) has been made.
    """

    primitive: Primitive
    meta: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    held: bool = False

    @property
    def id(self) -> str:
        """The clone's own id."""
        return f"{self.primitive.id}-clone"


@dataclass(frozen=True)
class Group:
    """Primitives that live together and start in order: active/passive. ``nodes`` as in `Clone`."""

    id: str
    members: tuple[Primitive, ...]
    meta: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Location:
    """``resource`` prefers (or, negative, avoids) ``node``."""

    resource: str
    node: str
    score: str


@dataclass(frozen=True)
class Away:
    """``resource`` runs on no node whose attribute ``attribute`` is ``value`` (attrd_updater(8))."""

    resource: str
    attribute: str
    value: str


@dataclass(frozen=True)
class Colocation:
    """``resource`` runs where ``with_resource`` runs."""

    resource: str
    with_resource: str
    score: str = INFINITY


@dataclass(frozen=True)
class Order:
    """``first`` before ``then``; ``kind`` is Mandatory, Optional or Serialize."""

    first: str
    then: str
    kind: str = "Mandatory"


@dataclass(frozen=True)
class Fragment:
    """One service's part of the cluster's configuration."""

    resources: tuple[Primitive | Clone | Group, ...] = ()
    constraints: tuple[Location | Away | Colocation | Order, ...] = ()
