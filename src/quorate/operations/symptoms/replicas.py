"""Stores that replicate by themselves: members that live but are apart, or see each other differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quorate.operations.observation import Observation
from quorate.operations.problems import Problem, critical

GALERA, RABBITMQ, HAPROXY = "galera", "rabbitmq", "haproxy"


def primary(seen: Observation) -> dict[str, Mapping[str, Any]]:
    """Node to database state, for those in a component that has the majority and may write."""
    return {node: state for node, state in seen.states(GALERA).items() if state.get("component") == "Primary"}


def brokers(state: Mapping[str, Any]) -> list[str]:
    """The nodes of the brokers that ``state`` shows as running (``rabbit@c1`` is on c1)."""
    return sorted(str(member).rpartition("@")[2] for member in state.get("running", ()))


def writers(seen: Observation) -> dict[str, str]:
    """Node to the database server on which its HAProxy has sessions; without any nobody can know."""
    found = {}
    for node, state in seen.states(HAPROXY).items():
        sessions: Mapping[str, int] = state.get("sessions", {}).get(GALERA, {})
        server = max(sessions, key=lambda name: sessions[name], default="")
        if server and sessions[server]:
            found[node] = server
    return found


def writer(seen: Observation) -> str:
    """The database server that clients write to: what the HAProxy on the holder of its virtual IP says."""
    found = writers(seen)
    holders = seen.holders(seen.vips.get(GALERA, ""))
    return next((found[node] for node in (*holders, *found) if node in found), "")


def database(seen: Observation) -> Iterator[Problem]:
    """A database that is split, stands still, or is short of a member that lives."""
    states = seen.states(GALERA)
    if not states:
        return
    together = primary(seen)
    if not together:
        yield critical(
            "no database server is in a component with a majority: nobody can read or write",
            ", ".join(states),
            "on a node: crm_mon -1rA shows whose data is newest; it starts once all members have reported",
        )
        return
    sizes = {int(state.get("size", 0)) for state in together.values()}
    if len(sizes) > 1:
        shown = ", ".join(f"{node} sees {state.get('size', '?')}" for node, state in together.items())
        yield Problem(
            f"the database servers do not agree how many they are: {shown}",
            ", ".join(together),
            "wait some seconds; if it lasts look at port 4567 between them and at /var/log/mysql/error.log",
        )
    elif max(sizes) < len(together):
        yield critical(
            f"{len(together)} database servers answer, each among only {max(sizes)}: the data is split",
            ", ".join(together),
            "stop all but the one with the highest wsrep_last_committed; the others take its data at start",
        )
    chosen = set(writers(seen).values())
    if len(chosen) > 1:
        shown = ", ".join(f"{node} to {server}" for node, server in writers(seen).items())
        yield Problem(
            f"the load balancers send writes to different database servers: {shown}",
            HAPROXY,
            "it only costs retries, and ends when one of them is restarted: systemctl reload haproxy",
        )


def messages(seen: Observation) -> Iterator[Problem]:
    """Brokers that run but are in no cluster with their peers."""
    states = seen.states(RABBITMQ)
    answering = {node: set(brokers(state)) for node, state in states.items() if not state.get("error")}
    for node, members in answering.items():
        missing = sorted(set(answering) - members)
        if missing:
            yield Problem(
                f"its message broker is not in a cluster with {', '.join(missing)}",
                node,
                "on the smaller side: systemctl restart rabbitmq-server; it takes its data from the others",
            )


RULES = (database, messages)
