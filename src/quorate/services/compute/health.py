"""What the looks at Nova mean, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quorate.services.base import Health, Judgement

WORKERS = ("nova-conductor", "nova-scheduler")
AUTOMATIC = "AUTO: "
"""How the reason begins where nova-compute disabled itself (its libvirt driver, DISABLE_PREFIX)."""


def heartbeats(node: str) -> str:
    """SQL: each of Nova's workers on ``node``, and the seconds since its last sign of life."""
    return (
        "SELECT `binary`, TIMESTAMPDIFF(SECOND, COALESCE(last_seen_up, created_at), UTC_TIMESTAMP())"
        f" FROM services WHERE host = '{node}' AND deleted = 0 ORDER BY `binary`"
    )


def judge_workers(state: Mapping[str, Any], *, down_s: int) -> Judgement:
    """OK when scheduler and conductor of a controller gave a sign of life within ``down_s`` seconds."""
    ages = {row[0]: int(row[1]) for row in state["rows"]}
    silent = {
        name: f"silent for {ages[name]} s" if name in ages else "never seen"
        for name in WORKERS
        if ages.get(name, down_s + 1) > down_s
    }
    if silent:
        said = ", ".join(f"{name} {how}" for name, how in silent.items())
        return Judgement(Health.FAILED, said, f"on it: journalctl -u {next(iter(silent))}")
    oldest = max(ages[name] for name in WORKERS)
    return Judgement(Health.OK, f"scheduler and conductor gave a sign of life {oldest} s ago")


def judge_compute(state: Mapping[str, Any]) -> Judgement:
    """OK where a server could be put: libvirt answers, Nova hears of it, Placement knows what it has.

    Args:
        state: of `node.nova_compute`.
    """
    if state["hypervisor"]:
        return Judgement(
            Health.FAILED,
            f"libvirt does not answer, so no server can be changed: {state['hypervisor']}",
            "on it: systemctl restart libvirtd (guests go on)",
        )
    if state["error"]:
        return Judgement(
            Health.UNKNOWN, f"cannot be asked for: {state['error']}", "look at nova and placement first"
        )
    if not state["state"]:
        return Judgement(
            Health.FAILED, "Nova has never heard of it", "on it: journalctl -u nova-compute; then run apply"
        )
    if state["state"] != "up" and state["forced_down"]:
        return Judgement(
            Health.FAILED,
            "somebody told Nova that it is down (forced_down), so it is not used",
            f"once it is well: openstack compute service set --up {state['node']} nova-compute",
        )
    if state["state"] != "up":
        return Judgement(
            Health.FAILED,
            f"nova-compute has given no sign of life since {state['updated_at'] or 'its start'}",
            "Pacemaker restarts it within two minutes; on it: journalctl -u nova-compute",
        )
    if not state["inventory"]:
        return Judgement(
            Health.FAILED,
            "Placement has no inventory of it, so nothing is scheduled there",
            "on it: journalctl -u nova-compute, and look for placement",
        )
    if state["status"] != "enabled":
        reason = state["reason"] or "no reason given"
        if reason.startswith(AUTOMATIC):
            said = f"takes no new servers: nova-compute disabled itself ({reason})"
            return Judgement(
                Health.DEGRADED, said, "it enables itself once libvirt answers; on it: journalctl -u libvirtd"
            )
        step = f"if that is not wanted: openstack compute service set --enable {state['node']} nova-compute"
        return Judgement(Health.DEGRADED, f"takes no new servers: an operator disabled it ({reason})", step)
    return Judgement(Health.OK, f"ready for servers, {_count(state['guests'])} running")


def judge_room(state: Mapping[str, Any]) -> Judgement:
    """OK where Placement and Nova agree who takes room. That all of it is taken is judged over all computes.

    Args:
        state: of `node.nova_room`.
    """
    if state["error"]:
        said = f"its room is not known: {state['error']}"
        return Judgement(Health.UNKNOWN, said, "look at nova and placement first")
    if state["strays"]:
        count = len(state["strays"])
        who = f"{state['strays'][0]}, which is no server" if count == 1 else f"{count} that are no servers"
        return Judgement(
            Health.DEGRADED,
            f"Placement keeps room for {who} of Nova's",
            "look again; if it stays so, on a controller: nova-manage placement audit --verbose, then with "
            "--delete",
        )
    memory = state["free"].get("MEMORY_MB")
    return Judgement(Health.OK, "" if memory is None else f"{max(0, memory)} MiB of memory free for more")


def _count(guests: int) -> str:
    return "1 guest" if guests == 1 else f"{guests} guests"
