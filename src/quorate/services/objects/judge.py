"""What the looks at the object store mean, in words, with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quorate.services.base import Health, Judgement

FULL_PERCENT = 85.0
"""A device that is fuller than this should not get much more: it has to hold what others lose, too."""
MANY_QUARANTINED = 20
"""So many damaged copies on one node are no accident: the disk is at fault."""


def judge_storage(
    state: Mapping[str, Any], *, stale_s: float, reserve_percent: float, zones: int
) -> Judgement:
    """A storage node: every server answers, devices are there, rings are everybody's, replication is fresh.

    Args:
        state: what `quorate.node.swift` saw.
        stale_s: a replication that is older than this is not going on.
        reserve_percent: of a device that always stays free.
        zones: how many zones the rings have.
    """
    silent = sorted(f"{ring}: {why}" for ring, why in state["servers"].items() if why)
    if silent:
        names = " ".join(f"-u swift-{line.split(':')[0]}" for line in silent)
        return Judgement(
            Health.FAILED, f"servers do not answer: {'; '.join(silent)}", f"journalctl {names} on the node"
        )
    if state["missing"]:
        return Judgement(
            Health.FAILED,
            f"devices are not there: {', '.join(state['missing'])}",
            "mount them again; for a dead disk put in a new one, or take it out of cluster.yaml and apply",
        )
    full = [name for name, used in state["used"].items() if used >= 100 - reserve_percent]
    if full:
        return Judgement(
            Health.FAILED, f"takes no more objects: {', '.join(full)} is full", "add devices or delete data"
        )
    problems = _problems(state, stale_s)
    if problems:
        return Judgement(
            Health.DEGRADED,
            "; ".join(text for text, _ in problems),
            "; ".join(step for _, step in problems),
        )
    age = max(value or 0.0 for value in state["replicated_s"].values())
    text = f"serves; all replicated {age:.0f} s ago"
    if zones < 3:
        text += f"; only {zones} zone{'s' if zones > 1 else ''}: add storage nodes"
    if state["quarantined"]:
        text += f"; {state['quarantined']} damaged copies were set aside and replaced"
    return Judgement(Health.OK, text)


def _problems(state: Mapping[str, Any], stale_s: float) -> list[tuple[str, str]]:
    """What makes it less than it should be: text and next step."""
    found = []
    if state["others"]:
        shown = ", ".join(f"{node} ({', '.join(rings)})" for node, rings in sorted(state["others"].items()))
        found.append((f"its rings are not those of {shown}", "quorate apply gives all the same"))
    if state["stopped"]:
        names = ", ".join(state["stopped"])
        found.append((f"not running: {names}", "journalctl -u with its name on the node"))
    old = sorted(
        ring
        for ring, age in state["replicated_s"].items()
        if (age is None or age > stale_s) and state["uptime_s"] > stale_s
    )
    if old:
        step = f"journalctl -u swift-{old[0]}-replicator on the node; busy: raise replication_max_age_min"
        found.append((f"not replicated for {stale_s / 60:.0f} minutes: {', '.join(old)}", step))
    filling = [f"{name} {used:.0f} %" for name, used in state["used"].items() if used >= FULL_PERCENT]
    if filling:
        found.append((f"nearly full: {', '.join(filling)}", "add devices or storage nodes to cluster.yaml"))
    if state["quarantined"] >= MANY_QUARANTINED:
        text = f"{state['quarantined']} damaged copies set aside"
        found.append((text, "the disk is failing: smartctl -a; then empty <device>/quarantined"))
    return found


def judge_proxy(state: Mapping[str, Any]) -> Judgement:
    """OK when an account came from the storage nodes; unknown where there was no token to ask with."""
    if state.get("answered"):
        return Judgement(Health.OK, f"the API answers from the storage nodes, {state.get('ms', '?')} ms")
    reason = state.get("error") or f"answered {state.get('status')}"
    if not state.get("token"):
        return Judgement(
            Health.UNKNOWN, f"the API cannot be asked: {reason}", "look at keystone first: quorate status"
        )
    step = "look at the storage nodes first" if state.get("status") == 503 else ""
    return Judgement(
        Health.FAILED,
        f"the API does not answer as it should: {reason}",
        step or "journalctl -u swift-proxy on the node",
    )
