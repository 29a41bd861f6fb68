"""From one observation to the list of what is wrong. Pure."""

from __future__ import annotations

from quorate.operations.observation import Observation
from quorate.operations.problems import Problem, merged
from quorate.operations.symptoms import nodes, replicas, resources, room, services, waiting


def diagnose(seen: Observation) -> tuple[Problem, ...]:
    """Everything that is wrong, the worst first, each with what to do about it."""
    rules = (
        *nodes.RULES,
        *resources.RULES,
        *waiting.RULES,
        *replicas.RULES,
        *services.RULES,
        *room.RULES,
    )
    return merged(problem for rule in rules for problem in rule(seen))
