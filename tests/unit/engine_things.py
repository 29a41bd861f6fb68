"""Small resources and nodes for the engine's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.resources.base import Desired, Placed, Resource, Stage
from quorate.transport.base import Connect
from quorate.transport.fake import FakeNode

NODES = ("c1", "c2", "c3")


def thing(
    name: str, *, after: Sequence[str] = (), serial: bool = False, secret: bool = False, **args: Any
) -> Resource:
    """A resource of a kind that looks at nothing but the fake node's memory."""
    wanted = {"right": True}
    return Resource("file", name, {"name": name, **args}, wanted, tuple(after), serial, secret)


def everywhere(stage: Stage, *resources: Resource, nodes: Sequence[str] = NODES) -> list[Placed]:
    """Each of ``resources`` on every node."""
    return [Placed(stage, node, one) for node in nodes for one in resources]


def right(desired: Desired) -> dict[str, dict[str, Any]]:
    """For each node, the states in which nothing is left to do."""
    states: dict[str, dict[str, Any]] = {}
    for placed in desired:
        states.setdefault(placed.node, {})[placed.resource.id] = dict(placed.resource.desired)
    return states


def connect_to(nodes: Mapping[str, FakeNode]) -> Connect:
    """A `Connect` over fakes."""
    return nodes.__getitem__
