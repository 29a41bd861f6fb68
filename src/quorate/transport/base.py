"""How a command reaches a node. Two methods, so that a fake is forty lines and the engine cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Command:
    """A program to run on a node: an argument list, never a shell string.

    Args:
        argv: program and arguments. Never a secret: those travel on ``stdin``.
        stdin: bytes for its standard input.
        timeout_s: after so many seconds it is ended and its outcome is unknown.
    """

    argv: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Completed:
    """A program that ran to its end."""

    exit: int
    stdout: bytes
    stderr: bytes


class Transport(Protocol):
    """One connection to one node."""

    node: str

    async def run(self, command: Command) -> Completed:
        """Run ``command``.

        Raises:
            UnreachableError: no connection could be made; nothing was run.
            ConnectionLostError: it was sent, and the outcome is unknown.
        """
        ...

    async def close(self) -> None:
        """Let the connection go. Harmless when called twice."""
        ...


Connect = Callable[[str], Transport]
"""Node name to transport. Connecting is lazy: it happens at the first ``run``."""
