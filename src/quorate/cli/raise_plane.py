"""From running nodes to a verified plane: apply, verify, a tenant's day. What ``lab up`` does last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quorate.cli.common import Target
from quorate.events import Event, Kind, Listener, silent

if TYPE_CHECKING:
    from quorate.operations.environment import Environment
    from quorate.operations.verify import Verification

SETTLE_S = 120.0
"""After an apply, how long the plane may take until all proofs pass: a cold cache, a first election."""
AGAIN_S = 1.0
"""Between two tries."""
APPLY = "apply "
"""How the engine's subjects for its stages start (`engine.apply`)."""


@dataclass(frozen=True)
class Raised:
    """A plane that was raised.

    Args:
        environment: its doors.
        verification: the last try.
        phases: what took how long, in seconds, in order.
        changed: how many resources the apply changed.
    """

    environment: Environment
    verification: Verification
    phases: Mapping[str, float] = field(default_factory=dict)
    changed: int = 0

    @property
    def exit_code(self) -> int:
        """0 verified, 1 not, 2 where a proof could not be tried."""
        from quorate.operations.verify import EXIT_CODES

        return EXIT_CODES[self.verification.verdict]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "seconds": round(sum(self.phases.values()), 3),
            "changed": self.changed,
            "environment": self.environment.as_json(),
            "verify": self.verification.as_json(),
        }


class Stopwatch:
    """A listener that measures the stages of an apply and hands every event on."""

    def __init__(self, listener: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self.phases: dict[str, float] = {}
        self._listener, self._clock = listener, clock
        self._begun: dict[str, float] = {}

    def __call__(self, event: Event, /) -> None:
        """Take note, and hand ``event`` on."""
        if event.subject.startswith(APPLY) or event.subject == "look":
            if event.kind is Kind.STARTED:
                self._begun[event.subject] = self._clock()
            elif event.kind in (Kind.DONE, Kind.FAILED) and event.subject in self._begun:
                took = self._clock() - self._begun.pop(event.subject)
                self.phases[event.subject] = self.phases.get(event.subject, 0.0) + took
        self._listener(event)


async def raise_plane(
    target: Target, listener: Listener, settle_s: float = SETTLE_S, *, quick: bool = False
) -> Raised:
    """Apply the target's platform on nodes that run, verify it, and live a tenant's day in it.

    Verification that does not pass is in the result, not an error.

    Args:
        target: the cluster.
        listener: is told how it goes.
        settle_s: how long the proofs are tried again until all of them pass. The day is lived once, and only
            in a plane that passed.
        quick: without the day.

    Raises:
        QuorateError: the apply did not succeed; everything that failed is named, with its evidence.
    """
    from quorate.engine.apply import apply
    from quorate.operations.environment import environment, write_clouds
    from quorate.transport.ssh import connector

    its = target.platform()
    stopwatch = Stopwatch(listener)
    async with connector(target.cluster, target.spec_path) as connect:
        report = await apply(
            its.desired(), connect, lock_on=its.ctx.controllers, listener=stopwatch, command="raise the plane"
        )
    report.check()
    env = environment(its.ctx, target.home)
    if env.auth_url:
        write_clouds(env, its.ctx.secrets, target.home)
    begun = time.monotonic()
    found = await settled(target, listener, settle_s)
    phases = {**stopwatch.phases, "verify": time.monotonic() - begun}
    if not quick:
        begun = time.monotonic()
        found = await lived(target, listener, found)
        if found.day:
            phases["a tenant's day"] = time.monotonic() - begun
    return Raised(env, found, phases, len(report.changed))


async def settled(target: Target, listener: Listener, settle_s: float) -> Verification:
    """Verify until every service has passed, at most for ``settle_s`` seconds; what was seen last of each.

    One that has passed is not asked again: while nodes are starting, proofs are work that holds them up.
    """
    from quorate.cli.verify import prove
    from quorate.operations.verify import Verdict

    deadline = time.monotonic() + settle_s
    listener(Event(Kind.STARTED, "verify"))
    found = await prove(target, silent, day=False)
    if not found.checks:
        listener(Event(Kind.DONE, "verify", "none of the services has a proof"))
        return found
    while True:
        open_ = [check for check in found.checks if check.verdict is not Verdict.PASS]
        said = f"{len(found.checks) - len(open_)} of {len(found.checks)} proofs pass"
        if not open_:
            listener(Event(Kind.DONE, "verify", said))
            return found
        said += f"; {open_[0].service}, {open_[0].title}: {open_[0].evidence}"
        if time.monotonic() >= deadline:
            listener(Event(Kind.FAILED, "verify", said))
            return found
        listener(Event(Kind.PROGRESS, "verify", said, 1 - len(open_) / len(found.checks)))
        await asyncio.sleep(AGAIN_S)
        again = await prove(target, silent, day=False, only={check.service for check in open_})
        found = found.with_newer(again)


async def lived(target: Target, listener: Listener, found: Verification) -> Verification:
    """``found`` with a tenant's day, where all of it passed and the cluster has services for one."""
    from dataclasses import replace

    from quorate.cli.verify import prove
    from quorate.operations.verify import Verdict

    if found.verdict is not Verdict.PASS:
        return found
    day = await prove(target, listener, proofs=False)
    return replace(found, day=day.day, seconds=found.seconds + day.seconds)


def render_summary(raised: Raised, before: Mapping[str, float] | None = None) -> None:
    """Print where everything is, how long each phase took, and what verify found.

    Args:
        raised: the plane.
        before: phases that came before (image, machines), in seconds.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from quorate.cli.console import console
    from quorate.cli.env import lines
    from quorate.cli.verify import show

    out = console()
    phases = {**(before or {}), **raised.phases}
    table = Table("phase", "seconds", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.columns[1].justify = "right"
    for name, seconds in phases.items():
        table.add_row(name, f"{seconds:.1f}")
    table.add_row("in all", f"{sum(phases.values()):.1f}", style="bold")
    out.print(table)
    out.print()
    show(raised.verification)
    out.print()
    for line in lines(raised.environment):
        out.print(line, soft_wrap=True, markup=False)
