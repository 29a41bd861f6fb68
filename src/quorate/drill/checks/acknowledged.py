"""Every acknowledged write is there afterwards, on every node, once; and the nodes agree on the rest."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.ledger import Account, settle
from quorate.drill.model import Finding


def run(history: History) -> Iterable[Finding]:
    """One finding an endpoint that writes."""
    endpoints = [name for name, endpoint in history.endpoints.items() if endpoint["writes"]]
    if not history.endpoints:
        yield CHECK.doubt("no client was there, so nothing was promised")
    elif not endpoints:
        yield CHECK.passed("no client of this cluster writes, so nothing could be lost")
    for endpoint in endpoints:
        if not any(readback.endpoint == endpoint for readback in history.readbacks):
            yield CHECK.doubt(f"{endpoint}: what was written was never read back")
            continue
        yield _judge(settle(endpoint, history.requests, history.readbacks))


def _judge(account: Account) -> Finding:
    writes, name = account.writes, account.endpoint
    if writes.lost:
        missing = "; ".join(f"{source} lacks {_some(keys)}" for source, keys in account.missing.items())
        return CHECK.failed(
            f"{name}: {writes.lost} of {writes.acknowledged} acknowledged writes are lost", missing
        )
    if account.duplicated_wrongly:
        return CHECK.failed(f"{name}: {account.duplicated_wrongly} keys are there more than once")
    if account.disordered:
        return CHECK.failed(f"{name}: records are not in the order they were sent", _some(account.disordered))
    if min(account.strangers, default=0) < 0:
        return CHECK.failed(f"{name}: there are records that cannot be read: what was written is damaged")
    if account.strangers:
        return CHECK.failed(f"{name}: found keys that were never sent", _some(account.strangers))
    if account.differing:
        return CHECK.failed(
            f"{name}: the nodes do not agree on unacknowledged writes", _some(account.differing)
        )
    if account.unreadable:
        return CHECK.doubt(f"{name}: not every copy could be read", "; ".join(account.unreadable))
    if not writes.acknowledged:
        return CHECK.doubt(f"{name}: not one write was acknowledged, so nothing was promised")
    return CHECK.passed(
        f"{name}: all {writes.acknowledged} acknowledged writes are there "
        f"({writes.recovered} of {writes.unknown} unacknowledged ones too)"
    )


def _some(keys: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, keys[:8]))
    return f"{shown} and {len(keys) - 8} more" if len(keys) > 8 else shown


CHECK = Check("acknowledged", "acknowledged writes are present on every node, once", run)
