"""The history of a run: one append-only file of JSON lines. Checks read nothing else: they can judge again.

``<Home.history>/<run>/history.jsonl``. Every record has ``type``, ``t`` (seconds on the client's monotonic
clock since the run began) and ``wall`` (seconds since 1970, to match it with the nodes' journals). Types:

    run        what is going to be done: fault, target, service, endpoints with rates and budgets, lengths
    clock      a node's clock against the client's: ``offset`` and its uncertainty, seconds
    phase      a phase begins or ends; at its end the share that the client's processors were ``busy``
    intent     what is about to be injected; written, and on the disk, before it is
    armed      healing that will happen even if the client dies
    injected   with the evidence, and when the order was given (``began``, ``began_wall``)
    healed, recovered      with the evidence
    request    see `model.Request`
    readback   see `ledger.ReadBack`
    holders    which nodes hold each virtual IP
    seen       from outside the nodes, when it changed: ``boots`` and ``mounts`` of each node (see `watch`)
    watched    how often was looked, and the longest time between two looks
    status     what `quorate status` said during the fault, where something has to be explained
    fsck       what e2fsck(8) said of a file system afterwards
    journal    a line of a node's log that says something about the fault (``line_wall``, ``node``, ``what``)
    problem    something that the runner could not do
    end        the run is complete
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from quorate.drill.ledger import ReadBack
from quorate.drill.model import Outcome, Phase, Request
from quorate.errors import UsageError

FILE = "history.jsonl"
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Clock:
    """Time, handed in: seconds that only go forward, and seconds since 1970."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Writer:
    """Appends to a run's history. Nothing is kept in memory.

    Args:
        folder: of this run; made here, 0700.
        clock: where ``t`` and ``wall`` come from; the run begins now.

    Raises:
        FileExistsError: the run has a history already.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(mode=0o700, parents=True)
        self.folder, self._clock = folder, clock
        self._origin = clock.monotonic()
        self._file = (folder / FILE).open("x", encoding="utf-8", buffering=1 << 16)

    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock.monotonic() - self._origin

    async def write_durably(self, kind: str, /, **data: Any) -> float:
        """Append one record, and return its ``t`` when it is on the disk. Nobody else waits for the disk."""
        now = self.write(kind, **data)
        self._file.flush()
        await asyncio.to_thread(os.fsync, self._file.fileno())
        return now

    def write(self, kind: str, /, **data: Any) -> float:
        """Append one record and return its ``t``."""
        now = self.now()
        record = {"type": kind, "t": round(now, 6), "wall": round(self._clock.wall(), 6), **data}
        self._file.write(json.dumps(record, separators=(",", ":"), default=str) + "\n")
        return now

    def request(self, request: Request) -> None:
        """Append a request."""
        data = asdict(request)
        for name in ("scheduled", "sent", "done"):
            data[name] = round(data[name], 6)
        self._file.write(json.dumps({"type": "request", **data}, separators=(",", ":")) + "\n")

    def readback(self, readback: ReadBack) -> None:
        """Append what a source holds."""
        self.write("readback", **asdict(readback))

    def flush(self) -> None:
        """Everything written so far can be read."""
        self._file.flush()

    def close(self) -> None:
        """Everything to the disk."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class History:
    """A run as it was recorded."""

    folder: str
    run: Record
    records: tuple[Record, ...] = ()
    """Everything but requests and read-backs, in order."""
    requests: tuple[Request, ...] = ()
    readbacks: tuple[ReadBack, ...] = ()
    damaged: tuple[int, ...] = field(default=())
    """Line numbers that could not be read."""

    def all(self, kind: str) -> tuple[Record, ...]:
        """The records of one type."""
        return tuple(record for record in self.records if record["type"] == kind)

    def first(self, kind: str) -> Record | None:
        """The first record of one type, or None."""
        return next((record for record in self.records if record["type"] == kind), None)

    def of(self, endpoint: str, *phases: Phase) -> tuple[Request, ...]:
        """The requests of an endpoint in these phases."""
        return tuple(each for each in self.requests if each.endpoint == endpoint and each.phase in phases)

    def faulted(self, endpoint: str) -> tuple[Request, ...]:
        """Its requests from the fault until all was whole, after the last good one of the control run.

        An outage that begins with the first of them counts from that one: a client that asks once in five
        seconds may have no other.
        """
        good = [each for each in self.of(endpoint, Phase.CONTROL) if each.ok]
        last = max(good, key=lambda each: each.sent, default=None)
        return (*([last] if last else []), *self.of(endpoint, Phase.FAULT, Phase.RECOVERY))

    @property
    def endpoints(self) -> Mapping[str, Record]:
        """Every endpoint, with its ``rate_hz``, ``deadline_s``, ``budget_s``, ``writes`` and ``judged``."""
        found: Mapping[str, Record] = self.run.get("endpoints", {})
        return found

    @property
    def injected(self) -> float | None:
        """When injecting the fault began, or None where it was not injected."""
        record = self.first("injected")
        return None if record is None else float(record.get("began", record["t"]))


def load(folder: Path) -> History:
    """Read a history. A line that is cut off (the client was killed) is counted, not believed.

    Raises:
        UsageError: there is no history there.
    """
    path = folder / FILE
    if not path.is_file():
        raise UsageError(
            "there is no drill history here",
            where=str(folder),
            next_step="./quorate drill report lists the runs",
        )
    records: list[Record] = []
    requests: list[Request] = []
    readbacks: list[ReadBack] = []
    damaged: list[int] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
                kind = record["type"]
                if kind == "request":
                    requests.append(_request(record))
                elif kind == "readback":
                    readbacks.append(_readback(record))
                else:
                    records.append(record)
            except (ValueError, KeyError, TypeError):
                damaged.append(number)
    run = next((record for record in records if record["type"] == "run"), {})
    return History(str(folder), run, tuple(records), tuple(requests), tuple(readbacks), tuple(damaged))


def _request(record: Record) -> Request:
    return Request(
        endpoint=record["endpoint"],
        number=record["number"],
        phase=Phase(record["phase"]),
        scheduled=record["scheduled"],
        sent=record["sent"],
        done=record["done"],
        outcome=Outcome(record["outcome"]),
        error=record["error"],
        writes=record["writes"],
    )


def _readback(record: Record) -> ReadBack:
    return ReadBack(
        endpoint=record["endpoint"],
        source=record["source"],
        keys=tuple(record["keys"]),
        error=record["error"],
        exactly_once=record["exactly_once"],
        ordered=record.get("ordered", False),
    )
