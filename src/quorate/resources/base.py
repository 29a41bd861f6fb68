"""The nouns that a node is made of: each knows the state that it wants, and names the probe that reads it.

A resource is data. The half that looks and fixes is in `quorate.node`, one module a kind, and is streamed to
the node; the two meet in ``kind`` and in the shape of ``args`` and ``state``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

State = Mapping[str, Any]
"""JSON: what a look at the node returns. The keys that differ from the desired state are what is wrong."""


class Stage(IntEnum):
    """The order of an apply. A stage is finished on every node before the next one starts anywhere."""

    BASE = 10
    """Packages, hosts, kernel settings, certificates."""
    CONFIG = 20
    """Every service's files."""
    MEMBERSHIP = 30
    """Corosync and Pacemaker run, and the cluster is quorate."""
    FENCING = 40
    """Every BMC answers with the credentials that the cluster will use."""
    STORAGE = 45
    """Shared disks have their file system: nothing may mount one before fencing is known to work."""
    CLUSTER = 50
    """Pacemaker's configuration, as one document; what it manages comes up."""
    DATA = 60
    """Databases, users, virtual hosts: what lives inside replicated stores."""
    BOOTSTRAP = 70
    """Schemas, first accounts, catalogues."""
    SERVICES = 75
    """What was held until its schemas and accounts were there is let go."""
    READY = 80
    """Everything that was started does its job."""


@dataclass(frozen=True)
class Resource:
    """One thing on one node.

    Args:
        kind: the module of `quorate.node` that looks at it and fixes it ("file", "unit", "command" …).
        name: what it is, unique with ``kind`` on its node; shown to people ("/etc/haproxy/haproxy.cfg").
        args: handed to the node's ``look`` and ``fix``. JSON.
        desired: the state that a look has to return. Only these keys are compared.
        after: ids ("kind:name") of resources of the same node and stage that have to be right first.
        serial: fix it on one node at a time, never on two at once.
        secret: its contents are never shown: not in plans, logs or errors.
        timeout_s: how long a fix may take.
    """

    kind: str
    name: str
    args: Mapping[str, Any] = field(repr=False)
    """May hold secrets, so that it never shows in a ``repr``."""
    desired: State = field(repr=False)
    after: tuple[str, ...] = ()
    serial: bool = False
    secret: bool = False
    timeout_s: float = 60.0

    @property
    def id(self) -> str:
        """``kind:name``."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Placed:
    """A resource, the node it is on and the stage it belongs to. A cluster-wide thing is placed on one
    node."""

    stage: Stage
    node: str
    resource: Resource


Desired = Sequence[Placed]
"""Everything that should be, in the order that it was declared."""
