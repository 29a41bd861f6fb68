"""The words of a drill, as values: request, outage, finding, verdict, timeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a check, or a whole drill, came to."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict from many: a failure outweighs everything, then doubt; no verdict at all is doubt."""
    seen = set(verdicts)
    if Verdict.FAIL in seen:
        return Verdict.FAIL
    return Verdict.PASS if seen == {Verdict.PASS} else Verdict.UNKNOWN


@dataclass(frozen=True)
class Finding:
    """What one check says, with the numbers that it says it on."""

    check: str
    verdict: Verdict
    text: str
    evidence: str = ""


class Outcome(StrEnum):
    """How a request ended, as its client knows it."""

    OK = "ok"
    """Answered as it should be, within its deadline. For a write: acknowledged."""
    FAILED = "failed"
    """No good answer; for a write: it certainly never left the client."""
    UNKNOWN = "unknown"
    """A write that was sent and not acknowledged in time: it may or may not have happened."""


class Phase(StrEnum):
    """The part of a drill that a request belongs to."""

    STEADY = "steady"
    CONTROL = "control"
    FAULT = "fault"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Request:
    """One request of a workload. Times are seconds on the client's monotonic clock since the run began.

    Args:
        endpoint: the workload's name.
        number: counts from 0 for each endpoint; a write's key.
        scheduled: when the fixed schedule wanted it sent. The schedule never waits for replies (open loop).
        sent: when it was really sent; ``sent - scheduled`` is the client's own lateness.
        done: when it was answered, refused, or given up at its deadline.
        writes: it changes something, so its key belongs in the ledger.
    """

    endpoint: str
    number: int
    phase: Phase
    scheduled: float
    sent: float
    done: float
    outcome: Outcome
    error: str = ""
    writes: bool = False

    @property
    def ok(self) -> bool:
        """A good answer, in time."""
        return self.outcome is Outcome.OK


@dataclass(frozen=True)
class Outage:
    """A time without service on one endpoint; how the bounds are drawn is said in `drill.outages`.

    Args:
        lower_s: it lasted at least so long.
        upper_s: it lasted at most so long; None where no good answer was seen before or after it.
        failed: requests in it that failed.
        sent: requests sent in it, from its first failure to its last.
        longest_run: most failures in a row.
        started_s: when its first failing request was sent, relative to the injection.
    """

    endpoint: str
    lower_s: float
    upper_s: float | None
    failed: int
    sent: int
    longest_run: int
    started_s: float


@dataclass(frozen=True)
class EndpointSummary:
    """One endpoint over the whole of a drill: what the client got, and the same without a fault."""

    endpoint: str
    rate_hz: float
    sent: int
    failed: int
    worst_gap_s: float | None
    noise_floor_s: float | None
    budget_s: float | None


@dataclass(frozen=True)
class TimelineEntry:
    """Something that happened at ``t_s`` seconds after the injection, and the line that proves it."""

    t_s: float
    what: str
    node: str
    evidence: str


@dataclass(frozen=True)
class Writes:
    """The ledger's sums.

    Args:
        acknowledged: writes that the client was told are safe.
        lost: acknowledged, and missing afterwards on at least one node.
        recovered: not acknowledged, and there all the same (allowed: the client knew that it did not know).
        unknown: writes that were sent and never acknowledged, recovered or not.
        duplicated: keys found more than once where once was asked for.
        unread: acknowledged, and nobody could look what became of them; none of the lost ones.
    """

    acknowledged: int
    lost: int
    recovered: int
    unknown: int
    duplicated: int
    unread: int = 0


@dataclass(frozen=True)
class DrillResult:
    """Everything that a drill found out."""

    run: str
    fault: str
    target: str
    service: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    outages: tuple[Outage, ...]
    endpoints: tuple[EndpointSummary, ...]
    noise_floor_s: float | None
    writes: Writes
    timeline: tuple[TimelineEntry, ...]
    history: str

    def to_json(self) -> Mapping[str, Any]:
        """As JSON types; seconds rounded to the millisecond."""
        rounded: Mapping[str, Any] = _rounded(asdict(self))
        return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
