"""Outage arithmetic. Pure: requests in, bounds out.

A request *fails* when it has no good answer by its deadline. Failures of one endpoint, ordered by when they
were sent, belong to one **outage** as long as less than `MERGE_S` of good answers lies between them: a
service that answers now and then is not back. Around each outage:

* ``lower = last_fail_sent - first_fail_sent``: it lasted at least that long;
* ``upper = first_good_done - last_good_sent``: it lasted at most that long, where *last good* is the latest
  good request sent before the first failure and *first good* the earliest good answer to a request sent after
  the last one.

A probe every p seconds cannot see less than p: without an outage the largest such gap is p plus the latency.
The largest gap of a control run without a fault is the **noise floor** of the place where the drill is run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from quorate.drill.model import Outage, Request

MERGE_S = 1.0
"""Good answers for at least this long end an outage."""

NOISE_SHARE = 0.25
"""Of a budget that noise may take: beyond it a drill says more about the machine than about the cluster."""


def of_endpoint(requests: Iterable[Request], injected: float) -> tuple[Outage, ...]:
    """The outages in the requests of one endpoint.

    Args:
        requests: of a single endpoint, over the phases to judge, in any order.
        injected: when the fault was injected, on the requests' clock.
    """
    ordered = sorted(requests, key=lambda request: (request.sent, request.number))
    return tuple(_bounds(ordered, first, last, injected) for first, last in _windows(ordered))


def _windows(ordered: Sequence[Request]) -> list[tuple[int, int]]:
    """Index pairs (first failure, last failure), one an outage."""
    windows: list[tuple[int, int]] = []
    for index, request in enumerate(ordered):
        if request.ok:
            continue
        if windows and _good_for(ordered, windows[-1][1], index) < MERGE_S:
            windows[-1] = (windows[-1][0], index)
        else:
            windows.append((index, index))
    return windows


def _good_for(ordered: Sequence[Request], last_failure: int, next_failure: int) -> float:
    """Seconds from the first good answer after one failure to the sending of the next failure."""
    between = ordered[last_failure + 1 : next_failure]
    if not between:
        return 0.0
    return ordered[next_failure].sent - min(request.done for request in between)


def _bounds(ordered: Sequence[Request], first: int, last: int, injected: float) -> Outage:
    window = ordered[first : last + 1]
    before = [request for request in ordered[:first] if request.ok]
    after = [request for request in ordered[last + 1 :] if request.ok]
    upper = min(request.done for request in after) - before[-1].sent if before and after else None
    longest = run = 0
    for request in window:
        run = 0 if request.ok else run + 1
        longest = max(longest, run)
    return Outage(
        endpoint=window[0].endpoint,
        lower_s=window[-1].sent - window[0].sent,
        upper_s=upper,
        failed=sum(not request.ok for request in window),
        sent=len(window),
        longest_run=longest,
        started_s=window[0].sent - injected,
    )


def worst_gap(requests: Iterable[Request]) -> float | None:
    """The longest time from sending one good request to the answer of the next good one, in seconds.

    None where fewer than two requests of the endpoint were good: nothing can be said.
    """
    good = sorted((request for request in requests if request.ok), key=lambda request: request.sent)
    if len(good) < 2:
        return None
    return max(later.done - earlier.sent for earlier, later in itertools.pairwise(good))


def client_lateness(requests: Iterable[Request]) -> float:
    """How late the client itself was at worst: a stalled client is not a stalled service."""
    return max((request.sent - request.scheduled for request in requests), default=0.0)
