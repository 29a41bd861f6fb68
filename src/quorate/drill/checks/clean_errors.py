"""While something is broken a client may have to try again; it is never told something untrue."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding, Phase

FALSE = re.compile(r"\bHTTP (400|401|403|404|405|409)\b")
"""Answers that tell a client not to try again. The same requests were good before the fault."""
SLACK_S = 0.5
"""How far beyond its deadline a request may be given up: more, and the client did not keep its own rule."""


def run(history: History) -> Iterable[Finding]:
    """One finding an endpoint that lied, or one for all."""
    watched = [request for request in history.requests if request.phase in (Phase.FAULT, Phase.RECOVERY)]
    lied = [request for request in watched if not request.ok and FALSE.search(request.error)]
    for endpoint in sorted({request.endpoint for request in lied}):
        mine = [request for request in lied if request.endpoint == endpoint]
        yield CHECK.failed(f"{endpoint}: {len(mine)} answers were final errors, and untrue", mine[0].error)
    for endpoint, each in history.endpoints.items():
        limit = float(each["deadline_s"]) + SLACK_S
        late = [
            request
            for request in watched
            if request.endpoint == endpoint and request.done - request.sent > limit
        ]
        if late:
            yield CHECK.doubt(
                f"{endpoint}: {len(late)} requests outlived their deadline; the client was too busy"
            )
    if not lied:
        failed = sum(not request.ok for request in watched)
        yield CHECK.passed(
            f"{failed} of {len(watched)} requests failed, each in a way that may be tried again"
        )


CHECK = Check("clean-errors", "failures are timely and honest", run)
