"""What the looks at Neutron mean, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.services.base import Health, Judgement

CONTROLLER, METADATA = "ovn-controller", "neutron-ovn-metadata-agent"
FRESH_S = 30
"""Workers say that they live every 4 s; the database may take long to move."""


def ring(node: str) -> str:
    """SQL: the API's workers on ``node`` that share out OVN's events, and the seconds since each said so."""
    return (
        "SELECT node_uuid, TIMESTAMPDIFF(SECOND, updated_at, UTC_TIMESTAMP()) FROM ovn_hash_ring"
        f" WHERE hostname = '{node}' AND group_name = 'mechanism_driver' ORDER BY node_uuid"
    )


def judge_ring(state: Mapping[str, Any], *, processes: int) -> Judgement:
    """OK when every worker of the API takes its share of OVN's events."""
    fresh = sum(int(row[1]) <= FRESH_S for row in state["rows"])
    if fresh < processes:
        return Judgement(
            Health.FAILED if not fresh else Health.DEGRADED,
            f"{fresh} of {processes} workers hear of OVN's events: servers may wait in vain for their ports",
            "look again; if it stays so: journalctl -u neutron-api on it",
        )
    return Judgement(Health.OK, f"{fresh} workers hear of OVN's events")


def judge_agents(state: Mapping[str, Any], *, chassis: Sequence[str], metadata: Sequence[str]) -> Judgement:
    """OK when Neutron on a controller sees every host's agent alive, and one maintenance worker works.

    Args:
        state: of `node.neutron`.
        chassis: nodes that carry guests' networks.
        metadata: nodes that have to have a metadata agent.
    """
    if state["error"]:
        said = f"cannot be asked for agents: {state['error']}"
        return Judgement(Health.UNKNOWN, said, "look at its API first")
    alive = {(one["host"], one["binary"]) for one in state["agents"] if one["alive"]}
    for binary, hosts in ((CONTROLLER, chassis), (METADATA, metadata)):
        silent = sorted(host for host in hosts if (host, binary) not in alive)
        if silent:
            return Judgement(
                Health.DEGRADED,
                f"sees no {binary} alive on {', '.join(silent)}",
                f"bring it back; on it: journalctl -u {binary}",
            )
    if state["locked"] is False:
        return Judgement(
            Health.DEGRADED,
            "no maintenance worker has the lock: what OVN lacks after a failure is not put right",
            "look again; if it stays so: systemctl restart neutron-ovn-maintenance-worker on a controller",
        )
    text = f"{len(alive)} agents alive"
    return Judgement(Health.OK, text + (", a maintenance worker at work" if state["locked"] else ""))


def judge_metadata(state: Mapping[str, Any]) -> Judgement:
    """OK when the metadata agent of a host answers and is connected to OVN's database."""
    if not state["done"]:
        return Judgement(
            Health.FAILED,
            f"guests of this host get no metadata: {state['output'] or 'no reason given'}",
            "Pacemaker restarts it within two minutes; on it: journalctl -u neutron-ovn-metadata-agent",
        )
    return Judgement(Health.OK, "metadata for guests of this host")
