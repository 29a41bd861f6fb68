"""Computes that are all taken: Nova answers whoever wants a server "No valid host was found"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quorate.operations.observation import Observation
from quorate.operations.problems import Problem

COMPUTE = "nova-compute"
WORDS: Mapping[str, str] = {"MEMORY_MB": "MiB of memory", "VCPU": "processors", "DISK_GB": "GiB of disk"}
STEPS: Mapping[str, str] = {
    "MEMORY_MB": "reserved_host_memory_mib, ram_allocation_ratio",
    "VCPU": "cpu_allocation_ratio",
    "DISK_GB": "disk_allocation_ratio",
}
"""Placement's resource class to the options of nova-compute that give guests more of it."""


def no_room(seen: Observation) -> Iterator[Problem]:
    """No compute that could be asked has room for a server of the smallest flavor."""
    rooms: dict[str, Mapping[str, Any]] = {
        found.node: found.state for found in seen.findings(COMPUTE) if found.state.get("free")
    }
    if not rooms:
        return
    lacking = {node: _lacking(state) for node, state in rooms.items()}
    if not all(lacking.values()):
        return
    classes = [name for name in WORDS if any(name in missing for missing in lacking.values())]
    shown = ", ".join(
        f"{node} has {max(0, rooms[node]['free'][missing[0]])} {WORDS[missing[0]]} left"
        for node, missing in lacking.items()
    )
    first = next(iter(rooms.values()))["needs"]
    needs = ", ".join(f"{first[name]} {WORDS[name]}" for name in classes)
    options = ", ".join(STEPS[name] for name in classes)
    yield Problem(
        f"no compute has room for another server: the smallest flavor takes {needs}; {shown}",
        COMPUTE,
        f"delete servers, add a compute to cluster.yaml, or let guests have more ({COMPUTE}'s {options})",
    )


def _lacking(state: Mapping[str, Any]) -> list[str]:
    """The resource classes of which not even the smallest flavor gets enough."""
    return [name for name in WORDS if state["free"].get(name, 0) < state["needs"].get(name, 0)]


RULES = (no_room,)
