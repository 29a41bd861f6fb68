"""Draws what long operations tell. On standard error, so that standard output stays for the result."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from quorate.events import Event, Kind

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

MARKS = {Kind.STARTED: "…", Kind.PROGRESS: "…", Kind.DONE: "✓", Kind.FAILED: "✗", Kind.NOTE: "·"}
COLOURS = {Kind.DONE: "green", Kind.FAILED: "red", Kind.NOTE: "cyan"}
PLAIN_EVERY_S = 5.0
"""Without a terminal, progress of one piece of work is a new line at most so often."""


class ProgressListener:
    """An `events.Listener`: live bars on a terminal, otherwise lines with the time since the start.

    Use it as a context manager; outside of one it prints plain lines.

    Args:
        stream: where to draw; standard error unless told otherwise.
        clock: seconds, rising.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._begin = clock()
        self._started: dict[str, float] = {}
        self._printed: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._live: Progress | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                TextColumn("{task.fields[text]}", markup=False),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __call__(self, event: Event, /) -> None:
        with self._lock:
            now = self._clock()
            self._started.setdefault(event.subject, now)
            if self._live is not None:
                self._draw(self._live, event, now)
            else:
                self._plain(event, now)
            if event.kind in (Kind.DONE, Kind.FAILED):
                self._started.pop(event.subject, None)
                self._printed.pop(event.subject, None)

    def _line(self, event: Event, now: float) -> str:
        text = f": {event.text}" if event.text else ""
        share = f" {event.fraction:.0%}" if event.fraction is not None and event.kind is Kind.PROGRESS else ""
        took = now - self._started[event.subject]
        lasted = f" ({took:.1f} s)" if event.kind in (Kind.DONE, Kind.FAILED) and took >= 0.1 else ""
        return f"{now - self._begin:6.1f} s  {MARKS[event.kind]} {event.subject}{share}{text}{lasted}"

    def _plain(self, event: Event, now: float) -> None:
        last = self._printed.get(event.subject)
        if event.kind is Kind.PROGRESS and last is not None and now - last < PLAIN_EVERY_S:
            return
        self._printed[event.subject] = now
        self._stream.write(self._line(event, now) + "\n")
        self._stream.flush()

    def _draw(self, live: Progress, event: Event, now: float) -> None:
        from rich.text import Text

        if event.kind in (Kind.STARTED, Kind.PROGRESS):
            task = self._tasks.get(event.subject)
            if task is None:
                task = self._tasks[event.subject] = live.add_task(event.subject, total=None, text="")
            if event.fraction is not None:
                live.update(task, total=1.0, completed=event.fraction, text=event.text)
            else:
                live.update(task, text=event.text)
            return
        if event.kind is not Kind.NOTE and (task := self._tasks.pop(event.subject, None)) is not None:
            live.remove_task(task)
        live.console.print(Text(self._line(event, now), style=COLOURS[event.kind]), soft_wrap=True)
