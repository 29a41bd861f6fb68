"""What an apply did: an outcome for every resource that it came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from quorate.errors import ApplyError
from quorate.resources.base import Stage

EVIDENCE_LINES = 12
"""As many as an error shows (`QuorateError`)."""


class Outcome(StrEnum):
    """``CHANGED`` only when a second look confirmed it; ``UNKNOWN`` when the connection died meanwhile."""

    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """What became of one resource.

    Args:
        stage: of it.
        node: where.
        id: "kind:name".
        outcome: see `Outcome`.
        text: what was wrong and is mended, or why it failed. Free of secrets.
        evidence: raw lines, where it failed. Free of secrets.
        seconds: how long it took on the node.
    """

    stage: Stage
    node: str
    id: str
    outcome: Outcome
    text: str = ""
    evidence: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """A whole apply."""

    plan_hash: str
    results: tuple[Result, ...] = ()
    not_begun: tuple[Stage, ...] = ()
    """Stages that were left alone because an earlier one did not end well."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Everything is as it should be, and was seen to be."""
        return not self.not_begun and not self.bad

    @property
    def bad(self) -> list[Result]:
        """The results that are failed or unknown."""
        return [one for one in self.results if one.outcome in (Outcome.FAILED, Outcome.UNKNOWN)]

    @property
    def changed(self) -> list[Result]:
        """The results that changed something."""
        return [one for one in self.results if one.outcome is Outcome.CHANGED]

    def check(self) -> None:
        """Raise `ApplyError` with every failure, its node and its evidence, unless all is well."""
        if self.ok:
            return
        stage = self.bad[0].stage.name.lower() if self.bad else ""
        left = ", ".join(stage.name.lower() for stage in self.not_begun)
        step = "mend what is named above, then run it again: it carries on from here"
        raise ApplyError(
            f"{len(self.bad)} resources failed or are unknown" + (f"; not begun: {left}" if left else ""),
            where=f"stage {stage}" if stage else "",
            evidence="\n".join(self._evidence()),
            next_step=step,
        )

    def _evidence(self) -> list[str]:
        """A line for each failure, nodes that failed alike together, and the end of what the first said."""
        alike: dict[tuple[str, Outcome, str], list[Result]] = {}
        for one in self.bad:
            alike.setdefault((one.id, one.outcome, one.text), []).append(one)
        room = max(1, EVIDENCE_LINES // max(1, len(alike)) - 1)
        lines = []
        for (name, outcome, text), results in alike.items():
            lines.append(f"{', '.join(one.node for one in results)}: {name} {outcome}: {text}")
            lines += [f"  {line}" for line in results[0].evidence.strip().splitlines()[-room:]]
        return lines

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; resources that were right already are only counted."""
        shown = [
            vars(one) | {"stage": one.stage.name.lower()} for one in self.results if one.outcome != Outcome.OK
        ]
        counts = {kind.value: sum(one.outcome is kind for one in self.results) for kind in Outcome}
        left = [stage.name.lower() for stage in self.not_begun]
        return {"ok": self.ok, "plan": self.plan_hash, "counts": counts, "results": shown, "not_begun": left,
                "seconds": round(self.seconds, 3)}  # fmt: skip
