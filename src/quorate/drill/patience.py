"""Work that has to come to its own end, whatever a person or a service manager asks for meanwhile."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def one_interrupt(told: Callable[[], None]) -> Iterator[None]:
    """Pass only the first Ctrl-C on to who took them before; of each later one ``told`` hears.

    The second Ctrl-C would end the event loop at once, with everything that runs in it (asyncio.Runner).
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, count = asyncio.get_running_loop(), 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if count == 1:
            before(signal.SIGINT, None)
        else:
            told()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


async def to_the_end(work: Coroutine[Any, Any, None], told: Callable[[], None]) -> None:
    """Wait until ``work`` is over. Being cancelled meanwhile is told, and takes effect afterwards."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
            told()
    task.result()
    if cancelled is not None:
        raise cancelled
