"""What a check is: a name and a pure function of the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quorate.drill.history import History
from quorate.drill.model import Finding, Verdict


@dataclass(frozen=True)
class Check:
    """One question put to a history.

    Args:
        name: of its findings.
        summary: one line for people.
        run: gives one finding or more; giving none counts as unknown.
    """

    name: str
    summary: str
    run: Callable[[History], Iterable[Finding]]

    def passed(self, text: str, evidence: str = "") -> Finding:
        """A finding that all is as it should be."""
        return Finding(self.name, Verdict.PASS, text, evidence)

    def failed(self, text: str, evidence: str = "") -> Finding:
        """A finding that something is wrong."""
        return Finding(self.name, Verdict.FAIL, text, evidence)

    def doubt(self, text: str, evidence: str = "") -> Finding:
        """A finding that nothing can be said."""
        return Finding(self.name, Verdict.UNKNOWN, text, evidence)
