"""Verdicts on the storage cluster: what a node's daemons do, and what the monitors say of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.services.base import Health, Judgement

OK, DEGRADED, FAILED, UNKNOWN = Health.OK, Health.DEGRADED, Health.FAILED, Health.UNKNOWN
IN_QUORUM = ("leader", "peon")
FULL_STEP = "delete images or volumes that are not needed, or add OSDs; see: ceph df, ceph osd df"
STEPS: Mapping[str, tuple[Health, str]] = {
    "OSD_FULL": (FAILED, f"nothing can be written any more: {FULL_STEP}"),
    "POOL_FULL": (FAILED, f"nothing can be written to it: {FULL_STEP}; or raise its quota"),
    "OSD_BACKFILLFULL": (DEGRADED, f"replicas cannot be restored there: {FULL_STEP}"),
    "OSD_NEARFULL": (DEGRADED, f"writing stops at 95 %: {FULL_STEP}"),
    "POOL_NEARFULL": (DEGRADED, FULL_STEP),
    "POOL_NEAR_FULL": (DEGRADED, FULL_STEP),
    "PG_AVAILABILITY": (FAILED, "bring the lost OSDs back: ceph health detail, ceph osd tree"),
    "PG_DEGRADED": (DEGRADED, "it heals by itself once all OSDs are up: ceph -s"),
    "PG_DAMAGED": (FAILED, "ceph health detail; then, for an inconsistent group: ceph pg repair PGID"),
    "OSD_SCRUB_ERRORS": (
        FAILED,
        "ceph health detail; then, for each inconsistent group: ceph pg repair PGID",
    ),
    "OBJECT_UNFOUND": (FAILED, "bring back the OSDs that had them: ceph health detail"),
    "PG_RECOVERY_FULL": (FAILED, FULL_STEP),
    "PG_BACKFILL_FULL": (DEGRADED, FULL_STEP),
    "SLOW_OPS": (DEGRADED, "a slow or full disk, or too little CPU: ceph health detail names the OSD"),
    "MON_CLOCK_SKEW": (DEGRADED, "let time synchronisation run on every node: timedatectl"),
    "MON_DISK_CRIT": (FAILED, "the monitor stops at 5 % free: make room in /var/lib/ceph"),
    "MON_DISK_LOW": (DEGRADED, "make room in the file system of /var/lib/ceph/mon"),
    "MON_DISK_BIG": (DEGRADED, "it shrinks once all groups are clean: ceph -s"),
    "OSDMAP_FLAGS": (DEGRADED, "if nobody works on it, take the flag away: ceph osd unset FLAG"),
    "OSD_FLAGS": (DEGRADED, "if nobody works on it, take the flag away: ceph osd unset-group FLAG NAME"),
    "RECENT_CRASH": (DEGRADED, "ceph crash ls; once it is understood: ceph crash archive-all"),
    "BLUEFS_SPILLOVER": (OK, ""),
}
"""Ceph's complaint to what it means for clients and what to do. The Ceph manual, "Health checks"."""
COVERED = frozenset({"OSD_DOWN", "OSD_HOST_DOWN", "OSD_ROOT_DOWN", "MON_DOWN", "MGR_DOWN"})
"""Said by `whole` itself, with the nodes' names."""
ABSENT = frozenset({"PG_DEGRADED"})
"""What follows from OSDs that are down, and is not worth a problem of its own beside that."""


def judge(state: Mapping[str, Any], *, node: str, mons: Sequence[str], osds: Mapping[str, str]) -> Judgement:
    """How Ceph is, seen from ``node``: one verdict.

    What nobody can use is said first, and alike on all nodes; then what is wrong here; then what all miss.

    Args:
        mons: nodes that have a monitor.
        osds: number to node, of every OSD that there should be.
    """
    here, everywhere = daemons(state, node=node), whole(state, mons=mons, osds=osds)
    if everywhere.health is FAILED:
        return everywhere
    for said in (here, everywhere):
        if said.health is not OK:
            return said
    return Judgement(OK, f"{here.text}; {everywhere.text}")


def daemons(state: Mapping[str, Any], *, node: str) -> Judgement:
    """What runs on ``node``: its monitor is in the quorum, its manager answers, its OSDs are active."""
    wrong: list[str] = []
    step = ""
    mon, mgr = state.get("mon"), state.get("mgr")
    if mon is not None and mon.get("state") not in IN_QUORUM:
        wrong.append(
            f"its monitor is {mon['state']}, not in the quorum"
            if "state" in mon
            else "its monitor does not answer"
        )
        step = f"on {node}: journalctl -u ceph-mon@{node} -n 50"
    if mgr is not None and "error" in mgr:
        wrong.append("its manager does not answer")
        step = step or f"on {node}: journalctl -u ceph-mgr@{node} -n 50"
    known = state.get("cluster", {}).get("osds", {})
    for number, osd in state["osds"].items():
        seen = known.get(number, {"up": True, "in": True})
        if osd.get("state") == "active" and seen["up"] and seen["in"]:
            continue
        if osd.get("state") == "active" and seen["up"]:
            wrong.append(f"osd.{number} is out: it runs and holds no data")
            step = step or f"if nobody took it out on purpose: ceph osd in {number}"
            continue
        wrong.append(f"osd.{number} is {osd['state']}" if "state" in osd else f"osd.{number} does not answer")
        step = step or f"on {node}: journalctl -u ceph-osd@{number} -n 50"
    if wrong:
        return Judgement(FAILED, "; ".join(wrong), step)
    parts = [f"monitor {mon['state']}, manager"] if mon is not None else []
    parts += [f"osd.{number} up" for number in state["osds"]]
    return Judgement(OK, ", ".join(parts))


def whole(state: Mapping[str, Any], *, mons: Sequence[str], osds: Mapping[str, str]) -> Judgement:
    """What the monitors say, the worst first.

    Args:
        mons: nodes that have a monitor.
        osds: number to node, of every OSD that there should be.
    """
    seen: Mapping[str, Any] = state["cluster"]
    if "error" in seen:
        return Judgement(
            FAILED,
            f"the monitors do not answer: {seen['error']}",
            f"{len(mons) // 2 + 1} of {', '.join(mons)} have to run: systemctl status 'ceph-mon@*' on each",
        )
    found = [*_absent(seen, mons, osds), *_complaints(seen, osds)]
    for health in (FAILED, DEGRADED):
        said = [(text, step) for verdict, text, step in found if verdict is health]
        if said:
            steps = dict.fromkeys(step for _, step in said)
            return Judgement(health, "; ".join(text for text, _ in said), "; ".join(steps))
    groups = sum(seen["pgs"].values())
    clean = sum(count for name, count in seen["pgs"].items() if {"active", "clean"} <= set(name.split("+")))
    if groups != clean:
        others = ", ".join(f"{count} {name}" for name, count in seen["pgs"].items() if "clean" not in name)
        return Judgement(DEGRADED, f"groups not clean: {others}", "wait; it heals by itself: ceph -s")
    return Judgement(OK, f"{groups} groups clean, {seen['used_percent']:g} % used")


def _absent(
    seen: Mapping[str, Any], mons: Sequence[str], osds: Mapping[str, str]
) -> list[tuple[Health, str, str]]:
    found = []
    missing = [node for node in mons if node not in seen["quorum"]]
    if missing:
        text = f"no monitor in the quorum on {', '.join(missing)}"
        found.append(
            (DEGRADED, text, f"there: journalctl -u 'ceph-mon@*' -n 50; {len(seen['quorum'])} are left")
        )
    if not seen["mgr"]:
        found.append(
            (DEGRADED, "no manager is active", "on a node with a monitor: journalctl -u 'ceph-mgr@*'")
        )
    down = [number for number in osds if not seen["osds"].get(number, {}).get("up")]
    if down:
        text = "down: " + ", ".join(f"osd.{number} on {osds[number]}" for number in down)
        found.append(
            (DEGRADED, text, "there: journalctl -u 'ceph-osd@*' -n 50; it fills up by itself once it runs")
        )
    return found


def _complaints(seen: Mapping[str, Any], osds: Mapping[str, str]) -> list[tuple[Health, str, str]]:
    down = any(not seen["osds"].get(number, {}).get("up") for number in osds)
    found = []
    for code, check in seen["checks"].items():
        if code in COVERED or (down and code in ABSENT):
            continue
        default = FAILED if check["severity"] == "HEALTH_ERR" else DEGRADED
        health, step = STEPS.get(code, (default, f"ceph health detail ({code})"))
        step = step.replace("FLAG", check["summary"].partition(" ")[0]) if code == "OSDMAP_FLAGS" else step
        if code == "POOL_FULL" and check["detail"] and "quota" in check["detail"][0]:
            step = _quota_step(check["detail"][0])
        detail = f" ({check['detail'][0].strip()})" if check["detail"] else ""
        found.append((health, f"{check['summary']}{detail}", step))
    return found


def _quota_step(detail: str) -> str:
    """For a pool that is full by its quota, not for lack of room: ``pool 'images' is full (running …)``."""
    pool = detail.split("'")[1] if detail.count("'") == 2 else "POOL"
    return (
        f"nothing can be written to it: delete what is not needed in it, or raise its quota; see: "
        f"ceph osd pool get-quota {pool}, then: ceph osd pool set-quota {pool} max_bytes BYTES (0: none)"
    )
