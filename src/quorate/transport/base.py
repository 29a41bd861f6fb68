"""How a command reaches a node. Two methods, so that a fake is forty lines and the engine cannot tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Command:
    """A program to run on a node: an argument list, never a shell string.

    Args:
        argv: program and arguments. Never a secret: those travel on ``stdin``.
        stdin: bytes for its standard input.
        timeout_s: after so many seconds it is ended and its outcome is unknown.
        on_line: called with each line of its standard output as it comes (they are in `Completed.stdout`
            too), so that what was already reported is not lost with the connection. Must be quick and must
            not raise.
        feed: gives more for its standard input, after ``stdin``, as often as it is asked; ``b""`` ends it.
            For programs that are talked to while they run.
    """

    argv: tuple[str, ...]
    stdin: bytes = field(default=b"", repr=False)
    timeout_s: float = 60.0
    on_line: Callable[[bytes], None] | None = field(default=None, repr=False, compare=False)
    feed: Callable[[], Awaitable[bytes]] | None = field(default=None, repr=False, compare=False)


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
