"""What the looks at OVN mean, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quorate.services.base import Health, Judgement

PATIENCE = 3.0
"""Election timers without a word from a member, after which it counts as silent."""
WORST_FIRST = (Health.FAILED, Health.UNKNOWN, Health.DEGRADED, Health.OK)


def judge_central(state: Mapping[str, Any], *, nodes: Mapping[str, str]) -> Judgement:
    """OK when both databases have quorum and a number has gone through northd from one to the other.

    Args:
        state: of `node.ovn_central`.
        nodes: a member's address ("tcp:10.77.0.11:6643") to its controller, both databases.
    """
    found = [judge_database(name, one, nodes) for name, one in state["databases"].items()]
    if state["northd"] not in ("active", "standby"):
        said = f"northd is {state['northd']}" if state["northd"] else "northd does not answer"
        found.append(Judgement(Health.DEGRADED, said, "on it: systemctl restart ovn-northd"))
    elif not state["synced"] and all(one.health is not Health.FAILED for one in found):
        said = f"a change does not get from the northbound into the southbound database: {state['why']}"
        found.append(
            Judgement(
                Health.FAILED,
                said,
                "look again; then, on each controller: ovn-appctl -t ovn-northd status (one is active)",
            )
        )
    worst = min(found, key=lambda one: WORST_FIRST.index(one.health))
    if worst.health is not Health.OK:
        return worst
    text = ", ".join(one.text for one in found)
    return Judgement(Health.OK, f"{text}, northd {state['northd']}, a change takes {state['ms']} ms")


def judge_database(name: str, state: Mapping[str, Any], nodes: Mapping[str, str]) -> Judgement:
    """One member of one database."""
    journal = f"on it: journalctl -u ovn-ovsdb-server-{name.lower()}"
    if "error" in state:
        return Judgement(Health.FAILED, f"the {name} database does not answer: {state['error']}", journal)
    if state["status"] != "cluster member":
        return Judgement(
            Health.FAILED,
            f"its member of the {name} database is not in its cluster: {state['status']}",
            journal,
        )
    if not state["leads"]:
        return Judgement(
            Health.FAILED,
            f"the {name} database has no leader: nobody can change it",
            "bring a majority of the controllers back, or mend the cluster network",
        )
    listed = [server["address"] for server in state["servers"]]
    strangers = sorted({one for one in listed if one not in nodes or listed.count(one) > 1})
    if strangers:
        return Judgement(
            Health.DEGRADED,
            f"the {name} database counts a member that is gone for good: {strangers[0]}",
            f"on the leader: ovs-appctl -t /run/ovn/ovn{name.lower()}_db.ctl cluster/kick "
            f"{database_name(name)} ID; cluster/status shows the IDs",
        )
    missing = sorted(nodes[one] for one in _own(nodes, listed) - set(listed))
    if missing:
        return Judgement(Health.DEGRADED, f"the {name} database is without {', '.join(missing)}", "run apply")
    limit = PATIENCE * state["election_timer_ms"]
    silent = sorted(
        nodes[one["address"]] for one in state["servers"] if one["silent_ms"] and one["silent_ms"] > limit
    )
    if silent and state["role"] == "leader":
        return Judgement(
            Health.DEGRADED, f"the {name} database hears nothing of {', '.join(silent)}", "bring it back"
        )
    return Judgement(Health.OK, f"{name} {'leader' if state['role'] == 'leader' else 'member'}")


def database_name(name: str) -> str:
    """The schema's name of the database NB or SB."""
    return {"NB": "OVN_Northbound", "SB": "OVN_Southbound"}[name]


def _own(nodes: Mapping[str, str], listed: list[str]) -> set[str]:
    """The addresses that belong to the same database as those in ``listed``: they share a port."""
    ports = {address.rpartition(":")[2] for address in listed}
    return {address for address in nodes if address.rpartition(":")[2] in ports}


def judge_chassis(state: Mapping[str, Any], *, nodes: Mapping[str, str]) -> Judgement:
    """OK when the switch answers and ovn-controller has carried out every change.

    Args:
        state: of `node.ovn_chassis`.
        nodes: a tunnel's end to its node.
    """
    if state["switch"]:
        return Judgement(
            Health.FAILED,
            f"Open vSwitch does not answer, so guests have no network: {state['switch']}",
            "on it: systemctl restart openvswitch-switch",
        )
    if state["connection"] != "connected":
        return Judgement(
            Health.FAILED,
            "ovn-controller is not connected to the southbound database: what flows goes on, changes do not "
            f"arrive ({state['connection']})",
            "if the controllers are well: systemctl restart ovn-controller on it",
        )
    if not state["registered"]:
        return Judgement(
            Health.FAILED, "OVN does not know it as a chassis", "on it: systemctl restart ovn-controller"
        )
    if state["behind"]:
        return Judgement(
            Health.DEGRADED,
            f"ovn-controller is {state['behind']} changes behind",
            "look again; if it stays so: systemctl restart ovn-controller on it",
        )
    down = sorted(nodes.get(end, end) for end, how in state["tunnels"].items() if how == "down")
    if down:
        return Judgement(
            Health.DEGRADED, f"its tunnel to {', '.join(down)} is down", "look at the network for tunnels"
        )
    watched = sum(how == "up" for how in state["tunnels"].values())
    tunnels = f"{len(state['tunnels'])} tunnels" + (f", {watched} watched and up" if watched else "")
    return Judgement(Health.OK, f"chassis up to date, {tunnels}")
