"""Every error that quorate raises on purpose, and the exit code that it becomes.

    QuorateError                 exit 70 unless a subclass says otherwise
    ├── UsageError               64: the command line or a file handed in is wrong
    │   └── SpecError            64: cluster.yaml is wrong (carries every finding)
    ├── PreconditionError        1:  the host or the cluster is not fit for what was asked; all untouched
    ├── TransportError           1:  a node could not be talked to
    │   ├── UnreachableError         nothing was sent
    │   └── ConnectionLostError      the command was sent, its outcome is unknown
    ├── ApplyError               1:  a step failed, or the node moved since the plan was made
    ├── LabError                 1:  a machine of the lab could not be made, started or taken down
    └── DrillError               2:  a drill could not be carried out (its verdict is unknown)

Exit codes: 0 pass, 1 fail, 2 unknown, 64 usage (sysexits.h EX_USAGE), 70 internal (EX_SOFTWARE), 130 Ctrl-C.
"""

from __future__ import annotations

EXIT_PASS, EXIT_FAIL, EXIT_UNKNOWN, EXIT_USAGE, EXIT_INTERNAL, EXIT_INTERRUPTED = 0, 1, 2, 64, 70, 130


class QuorateError(Exception):
    """Something a person has to know: what happened, where, on what evidence, and what to do next.

    Args:
        what: one sentence, without a full stop.
        where: the file and line, node or service it is about.
        evidence: raw lines that show it (stderr, a log excerpt), secrets already removed.
        next_step: what the reader can do about it.
    """

    exit_code = EXIT_INTERNAL

    def __init__(self, what: str, *, where: str = "", evidence: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.evidence, self.next_step = what, where, evidence, next_step

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        parts = [head]
        if self.evidence:
            parts.append("\n".join(f"    {line}" for line in self.evidence.strip().splitlines()[-12:]))
        if self.next_step:
            parts.append(f"  next: {self.next_step}")
        return "\n".join(parts)


class UsageError(QuorateError):
    """The command line, or a file named on it, cannot be used."""

    exit_code = EXIT_USAGE


class SpecError(UsageError):
    """cluster.yaml has mistakes. ``findings`` holds one line for each, all found in one reading."""

    def __init__(self, what: str, findings: tuple[str, ...], *, where: str = "", next_step: str = "") -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.findings = findings

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {finding}" for finding in self.findings)])


class PreconditionError(QuorateError):
    """The host or the cluster is not fit for what was asked; nothing has been changed."""

    exit_code = EXIT_FAIL


class TransportError(QuorateError):
    """A node could not be talked to."""

    exit_code = EXIT_FAIL


class UnreachableError(TransportError):
    """No connection: the command was certainly not run."""


class ConnectionLostError(TransportError):
    """The command was sent and the connection died or timed out: its outcome is unknown."""


class ApplyError(QuorateError):
    """A step failed, its second look did not confirm it, or the node moved since the plan was made."""

    exit_code = EXIT_FAIL


class LabError(QuorateError):
    """A machine, network or disk of the lab could not be made, started or taken down."""

    exit_code = EXIT_FAIL


class DrillError(QuorateError):
    """A drill could not be carried out, so it proves nothing either way."""

    exit_code = EXIT_UNKNOWN
