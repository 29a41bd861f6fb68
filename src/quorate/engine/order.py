"""The order of things: stages, and within a stage on a node what has to come after what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quorate.errors import QuorateError
from quorate.resources.base import Desired, Resource, Stage


@dataclass(frozen=True)
class Work:
    """What one stage is, on every node: first what all nodes may do at once, then what they do one by one."""

    stage: Stage
    together: Mapping[str, Sequence[Resource]]
    one_by_one: Mapping[str, Sequence[Resource]]

    def on(self, node: str) -> Sequence[Resource]:
        """All of the stage on ``node``, in order."""
        return [*self.together.get(node, ()), *self.one_by_one.get(node, ())]

    @property
    def nodes(self) -> list[str]:
        """The nodes that it touches, in the order that they were declared."""
        return list(dict.fromkeys([*self.together, *self.one_by_one]))


def arrange(desired: Desired) -> list[Work]:
    """Every stage that has something in it, in order.

    Raises:
        QuorateError: a resource is there twice on a node, waits for one that does not exist or comes later,
            or resources wait for each other in a circle. Always a mistake in a service.
    """
    stages: dict[tuple[str, str], Stage] = {}
    for placed in desired:
        key = (placed.node, placed.resource.id)
        if key in stages:
            raise QuorateError(f"{placed.resource.id} is declared twice", where=placed.node)
        stages[key] = placed.stage
    works = []
    for stage in sorted({placed.stage for placed in desired}):
        groups: dict[str, list[Resource]] = {}
        for placed in desired:
            if placed.stage == stage:
                groups.setdefault(placed.node, []).append(placed.resource)
        together: dict[str, Sequence[Resource]] = {}
        one_by_one: dict[str, Sequence[Resource]] = {}
        for node, resources in groups.items():
            ordered = _sorted(node, stage, resources, stages)
            serial = _serial(ordered)
            together[node] = [one for one in ordered if one.id not in serial]
            one_by_one[node] = [one for one in ordered if one.id in serial]
        works.append(
            Work(stage, {n: r for n, r in together.items() if r}, {n: r for n, r in one_by_one.items() if r})
        )
    return works


def _sorted(
    node: str, stage: Stage, resources: Sequence[Resource], stages: Mapping[tuple[str, str], Stage]
) -> list[Resource]:
    """By ``after``, otherwise as declared: each time the first one that waits for nothing any more."""
    for one in resources:
        for wanted in one.after:
            there = stages.get((node, wanted))
            if there is None:
                raise QuorateError(f"{one.id} waits for {wanted}, which is not declared here", where=node)
            if there > stage:
                what = f"{one.id} ({stage.name}) waits for {wanted}, which comes later ({there.name})"
                raise QuorateError(what, where=node)
    left = {one.id: one for one in resources}
    ordered = []
    while left:
        ready = next((one for one in left.values() if not any(name in left for name in one.after)), None)
        if ready is None:
            raise QuorateError(f"these wait for each other in a circle: {', '.join(left)}", where=node)
        ordered.append(left.pop(ready.id))
    return ordered


def _serial(ordered: Sequence[Resource]) -> set[str]:
    """The serial ones, and those that come after a serial one."""
    serial: set[str] = set()
    for one in ordered:
        if one.serial or serial.intersection(one.after):
            serial.add(one.id)
    return serial
