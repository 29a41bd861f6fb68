"""Open-loop pacing: requests leave at fixed times, whatever became of those before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quorate.drill.contract import Attempt, Workload
from quorate.drill.model import Outcome, Phase, Request


class Pacer:
    """Runs one workload at a fixed rate until told to stop.

    In flight are at most ``rate × deadline`` requests, so memory is bounded whatever the service does.

    Args:
        workload: opened already.
        rate_hz: requests a second.
        now: seconds since the run began, monotonic.
        phase: the phase that a request sent now belongs to.
        record: takes each finished request.
    """

    def __init__(
        self,
        workload: Workload,
        rate_hz: float,
        now: Callable[[], float],
        phase: Callable[[], Phase],
        record: Callable[[Request], None],
    ) -> None:
        self.workload, self.rate_hz = workload, rate_hz
        self._now, self._phase, self._record = now, phase, record
        self._stop = asyncio.Event()
        self._flying: set[asyncio.Task[None]] = set()
        self.streak = 0
        """Good answers in a row, up to now."""

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()

    async def run(self, offset_s: float = 0.0) -> None:
        """Send until `stop`, then wait for what is in flight. Cancelled, it gives up what is in flight.

        Args:
            offset_s: when the first request leaves; spreads several workloads over a period.
        """
        start, number = self._now() + offset_s, 0
        try:
            while not self._stop.is_set():
                scheduled = start + number / self.rate_hz
                if not await self._until(scheduled):
                    break
                task = asyncio.create_task(self._one(number, scheduled))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
                number += 1
            if self._flying:
                await asyncio.wait(self._flying)
        finally:
            for task in tuple(self._flying):
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)

    async def _until(self, scheduled: float) -> bool:
        """Wait for the scheduled moment; False where `stop` came first."""
        delay = scheduled - self._now()
        if delay <= 0:
            await asyncio.sleep(0)
            return not self._stop.is_set()
        try:
            async with asyncio.timeout(delay):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    async def _one(self, number: int, scheduled: float) -> None:
        workload, attempt, sent = self.workload, Attempt(number, self._phase()), self._now()
        error, outcome = "cancelled", Outcome.UNKNOWN
        try:
            async with asyncio.timeout(workload.deadline_s) as deadline:
                await workload.request(attempt)
            error, outcome = "", Outcome.OK
        except Exception as failure:  # noqa: BLE001 - whatever the client meets is this request's result
            error = describe(failure)
            if deadline.expired():
                error = f"no answer within {workload.deadline_s:g} s"
                error += f" ({attempt.stage})" if attempt.stage else ""
        finally:
            if outcome is not Outcome.OK:
                outcome = Outcome.UNKNOWN if workload.writes and attempt.sent else Outcome.FAILED
            self.streak = self.streak + 1 if outcome is Outcome.OK else 0
            self._record(
                Request(
                    workload.name,
                    number,
                    attempt.phase,
                    scheduled,
                    sent,
                    self._now(),
                    outcome,
                    error,
                    workload.writes,
                )
            )


def describe(error: BaseException) -> str:
    """An exception in a line of at most 200 characters."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
