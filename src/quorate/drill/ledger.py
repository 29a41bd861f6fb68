"""The ledger: what the client was promised, held against what is there afterwards. Pure."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quorate.drill.model import Outcome, Request, Writes


@dataclass(frozen=True)
class ReadBack:
    """What one source holds after healing.

    Args:
        endpoint: the workload that wrote.
        source: where it was read: a node's name, or a queue's.
        keys: every key found, repeated as often as found.
        error: why it could not be read; then ``keys`` says nothing.
        exactly_once: finding a key twice is wrong (rows), not merely possible (messages: at least once).
        ordered: they have to be there in the order in which they were sent (an appended file).
    """

    endpoint: str
    source: str
    keys: tuple[int, ...]
    error: str = ""
    exactly_once: bool = True
    ordered: bool = False


@dataclass(frozen=True)
class Account:
    """One endpoint's ledger, settled."""

    endpoint: str
    writes: Writes
    missing: dict[str, tuple[int, ...]]
    """Source to the acknowledged keys that it lacks."""
    differing: tuple[int, ...]
    """Unacknowledged keys that some sources have and others have not: replicas that do not agree."""
    strangers: tuple[int, ...]
    """Keys found that the client never sent, so far as it knows (below 0: records that cannot be read)."""
    duplicated_wrongly: int
    disordered: tuple[int, ...]
    """Keys that stand behind a later one where order was promised."""
    unreadable: tuple[str, ...]
    """Sources that could not be read, with the reason."""


def settle(endpoint: str, requests: Iterable[Request], readbacks: Sequence[ReadBack]) -> Account:
    """Hold every write of ``endpoint`` against every source that was read back."""
    acknowledged: set[int] = set()
    unknown: set[int] = set()
    for request in requests:
        if request.endpoint != endpoint or not request.writes:
            continue
        if request.outcome is Outcome.OK:
            acknowledged.add(request.number)
        elif request.outcome is Outcome.UNKNOWN:
            unknown.add(request.number)
    mine = [readback for readback in readbacks if readback.endpoint == endpoint]
    read = [readback for readback in mine if not readback.error]
    found = {readback.source: set(readback.keys) for readback in read}
    anywhere = set().union(*found.values()) if found else set()
    everywhere = set.intersection(*found.values()) if found else set()
    missing = {source: tuple(sorted(acknowledged - keys)) for source, keys in found.items()}
    twice = {
        readback.source: sum(count - 1 for count in Counter(readback.keys).values() if count > 1)
        for readback in read
    }
    wrongly = sum(twice[readback.source] for readback in read if readback.exactly_once)
    return Account(
        endpoint=endpoint,
        writes=Writes(
            acknowledged=len(acknowledged),
            lost=len(acknowledged - everywhere) if found else 0,
            recovered=len(unknown & anywhere),
            unknown=len(unknown),
            duplicated=sum(twice.values()),
            unread=0 if found else len(acknowledged),
        ),
        missing={source: keys for source, keys in missing.items() if keys},
        differing=tuple(sorted((anywhere - everywhere) - acknowledged)),
        strangers=tuple(sorted(anywhere - acknowledged - unknown)),
        duplicated_wrongly=wrongly,
        disordered=tuple(key for each in read if each.ordered for key in _disordered(each.keys)),
        unreadable=tuple(f"{readback.source}: {readback.error}" for readback in mine if readback.error),
    )


def _disordered(keys: Sequence[int]) -> list[int]:
    return [later for earlier, later in itertools.pairwise(keys) if 0 <= later < earlier]


def total(accounts: Iterable[Account]) -> Writes:
    """The sums over all endpoints."""
    writes = [account.writes for account in accounts]
    return Writes(
        acknowledged=sum(each.acknowledged for each in writes),
        lost=sum(each.lost for each in writes),
        recovered=sum(each.recovered for each in writes),
        unknown=sum(each.unknown for each in writes),
        duplicated=sum(each.duplicated for each in writes),
        unread=sum(each.unread for each in writes),
    )
