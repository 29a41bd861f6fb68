"""What the looks at Cinder mean, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quorate.services.base import Health, Judgement

STUCK_S = 900
"""Longer than any of these takes where nothing went wrong; an image is copied in 'downloading'."""
FULL_PERCENT, TIGHT_PERCENT = 5.0, 15.0
ON_THE_WAY = ("creating", "deleting", "attaching", "detaching", "extending", "retyping")


def stuck(limit: int = 5) -> str:
    """SQL: volumes and snapshots that have been on the way to something for too long, and for how long."""
    states = ", ".join(f"'{one}'" for one in ON_THE_WAY)
    age = "TIMESTAMPDIFF(SECOND, COALESCE(updated_at, created_at), UTC_TIMESTAMP())"
    parts = [
        f"SELECT '{what}', id, status, {age} AS age FROM {what}s"
        f" WHERE deleted = 0 AND status IN ({states}) AND {age} > {STUCK_S}"
        for what in ("volume", "snapshot")
    ]
    return " UNION ALL ".join(parts) + f" ORDER BY age DESC LIMIT {limit}"


def judge_stuck(state: Mapping[str, Any]) -> Judgement:
    """OK where nothing has been on the way for longer than `STUCK_S`."""
    if not state["rows"]:
        return Judgement(Health.OK, "nothing stuck")
    what, identifier, status, age = state["rows"][0]
    more = f", and {len(state['rows']) - 1} more" if len(state["rows"]) > 1 else ""
    said = f"{what} {identifier} has been {status} for {int(age) // 60} min{more}: its worker is gone"
    step = f"openstack {what} set --state error {identifier}, then delete it or make it anew"
    return Judgement(Health.DEGRADED, said, step)


def judge_control(state: Mapping[str, Any], *, hosts: Mapping[str, str]) -> Judgement:
    """OK when each worker of a controller gave a sign of life and has a message broker.

    Args:
        state: of `node.cinder`.
        hosts: worker ("cinder-scheduler") to what it is called among Cinder's services.
    """
    if state["error"]:
        return _unasked(state)
    found = [_worker(state, binary, host) for binary, host in hosts.items()]
    bad = [one for one in found if one is not None]
    if bad:
        return bad[0]
    return Judgement(Health.OK, f"{' and '.join(hosts)} live, and have a message broker")


def judge_worker(state: Mapping[str, Any], *, binary: str, host: str, backend: str) -> Judgement:
    """OK when the worker lives, and the storage that it reports has room.

    Args:
        state: of `node.cinder`.
        binary: "cinder-volume".
        host: what it is called among Cinder's services ("c1@rbd").
        backend: of the pool ("rbd").
    """
    if state["error"]:
        return _unasked(state)
    wrong = _worker(state, binary, host)
    if wrong is not None:
        return wrong
    pools = [one for one in state["pools"] if one["name"].partition("#")[0].endswith(f"@{backend}")]
    if not pools:
        return Judgement(
            Health.DEGRADED,
            "no scheduler has heard of its storage yet: no volume can be made",
            "look again in a minute; then on it: journalctl -u cinder-volume",
        )
    worst = min(pools, key=lambda one: float(one["free"]) / max(1.0, float(one["total"])))
    if worst["state"] == "down":
        return Judgement(
            Health.FAILED, "the storage does not answer it", "look at ceph first: quorate status"
        )
    return _room(worst)


def _room(pool: Mapping[str, Any]) -> Judgement:
    free, total = float(pool["free"]), float(pool["total"])
    percent = 100 * free / max(total, 0.01)
    text = f"{free:.1f} of {total:.1f} GiB free"
    step = "delete what is not needed, or give the storage cluster more room (docs/services/ceph.md)"
    if percent < FULL_PERCENT:
        return Judgement(Health.FAILED, f"full: {text}; no volume can be made", step)
    if percent < TIGHT_PERCENT:
        return Judgement(Health.DEGRADED, f"nearly full: {text}", step)
    return Judgement(Health.OK, f"takes work, {text}")


def _unasked(state: Mapping[str, Any]) -> Judgement:
    said = f"cannot be asked for: {state['error']}"
    return Judgement(Health.UNKNOWN, said, "look at cinder's API, keystone and rabbitmq first")


def _worker(state: Mapping[str, Any], binary: str, host: str) -> Judgement | None:
    """What is wrong with a worker, if anything."""
    journal = f"on it: journalctl -u {binary}"
    found: Sequence[Mapping[str, Any]] = [
        one for one in state["services"] if one["binary"] == binary and one["host"] == host
    ]
    if not found:
        return Judgement(Health.FAILED, f"Cinder has never heard of {binary}", f"{journal}; then run apply")
    one = found[0]
    if one["state"] != "up":
        last = one["updated_at"] or "its start"
        said = f"{binary} has given no sign of life since {last}"
        return Judgement(Health.FAILED, said, f"Pacemaker restarts it within two minutes; {journal}")
    if state["connected"].get(f"{binary}.service") is False:
        said = f"{binary} has no connection to a message broker: it hears of nothing"
        return Judgement(Health.FAILED, said, f"Pacemaker restarts it within two minutes; {journal}")
    if one["status"] != "enabled":
        said = f"{binary} takes no new work: disabled ({one['reason'] or 'no reason given'})"
        step = f"if that is not wanted: openstack volume service set --enable {host} {binary}"
        return Judgement(Health.DEGRADED, said, step)
    return None
