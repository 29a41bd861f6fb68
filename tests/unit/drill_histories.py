"""Synthetic histories for the tests of drills: a client that asks every 100 ms, and what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from quorate.drill.history import History
from quorate.drill.ledger import ReadBack
from quorate.drill.model import Outcome, Phase, Request

PERIOD_S = 0.1
CONTROL, FAULT, RECOVERY = (0.0, 10.0), (10.0, 20.0), (20.0, 25.0)
INJECTED = 12.0
Fails = Callable[[float], bool]


def never(_: float) -> bool:
    """No request fails."""
    return False


def between(start: float, end: float) -> Fails:
    """Requests scheduled in [start, end) fail."""
    return lambda t: start <= t < end


def requests(endpoint: str, fails: Fails = never, *, writes: bool = False) -> tuple[Request, ...]:
    """Control, fault and recovery of one endpoint at 10 a second; a failure takes its deadline of 1 s."""
    made = []
    for number in range(250):
        t = round(number * PERIOD_S, 3)
        phase = Phase.CONTROL if t < CONTROL[1] else Phase.FAULT if t < FAULT[1] else Phase.RECOVERY
        bad = fails(t)
        outcome = Outcome.OK if not bad else Outcome.UNKNOWN if writes else Outcome.FAILED
        made.append(
            Request(
                endpoint,
                number,
                phase,
                t,
                t,
                round(t + (1.0 if bad else 0.01), 3),
                outcome,
                "late" if bad else "",
                writes,
            )
        )
    return tuple(made)


def endpoint(**changes: Any) -> dict[str, Any]:
    """What the ``run`` record says of an endpoint."""
    return {"rate_hz": 10, "deadline_s": 1.0, "budget_s": 3.0, "writes": False, "judged": True, **changes}


def record(kind: str, t: float, **data: Any) -> dict[str, Any]:
    """A record; the run began at 1000 s since 1970."""
    return {"type": kind, "t": t, "wall": 1000.0 + t, **data}


def history(
    *,
    fails: Fails = never,
    lose: Iterable[int] = (),
    extra: Iterable[dict[str, Any]] = (),
    without: Iterable[str] = (),
    budget_s: float = 3.0,
) -> History:
    """A power cut of c1 that went well, unless told otherwise.

    Args:
        fails: which requests fail, on both endpoints.
        lose: keys of database rows that node c2 lacks afterwards.
        extra: more records.
        without: types of records to leave out.
    """
    token, rows = requests("token", fails), requests("rows", fails, writes=True)
    held = tuple(request.number for request in rows if request.ok)
    lost = set(lose)
    run = record(
        "run",
        0.0,
        run="r1",
        fault="power-off",
        target="c1",
        service="keystone",
        fences=True,
        endpoints={"token": endpoint(budget_s=budget_s), "rows": endpoint(writes=True)},
    )
    records = [
        run,
        record("intent", INJECTED - 0.1, text="cut the power of c1"),
        record("injected", INJECTED, evidence="chassis power is off"),
        record("healed", 21.0, evidence="chassis power is on"),
        record("recovered", 24.0, evidence="3 of 3 nodes online"),
        record("holders", 24.5, vips={"10.0.0.1": ["c2"]}),
        record("journals", 24.6, read=["c2", "c3"]),
        record("journal", 24.7, node="c2", what="fenced", subject="c1", line="…", line_wall=1013.0),
        record("journal", 24.7, node="c3", what="fenced", subject="c1", line="…", line_wall=1013.1),
        record("end", 25.0),
    ]
    kept = tuple(each for each in [*records, *extra] if each["type"] not in set(without))
    readbacks = (
        ReadBack("rows", "c1", held),
        ReadBack("rows", "c2", tuple(key for key in held if key not in lost)),
        ReadBack("rows", "c3", held),
    )
    return History("/nowhere/r1", run, kept, (*token, *rows), readbacks)
