"""What a step of a tenant's day is. Each service brings its own; whoever runs the day knows none by name.

A day is one project with one user. Everything that is made in it is found again by the project, or by the
day's name: that is how it is cleared away, in the evening or, where the day died, at the start of the next.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from enum import IntEnum

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients.cloud import Cloud, Who, login

PREFIX = "quorate-day-"
"""How the names of all days start; no tenant may use it for a project of theirs."""
REQUEST_HEADER = "X-OpenStack-Request-ID"
ADMINISTRATOR, TENANT = "administrator", "tenant"
"""Who acts: names of accounts in a `Day`, and what the steps that log them in give."""


def fresh_name() -> str:
    """The name of a day that begins now; it says when that is, in seconds since 1970."""
    return f"{PREFIX}{int(time.time())}-{secrets.token_hex(3)}"


class Hour(IntEnum):
    """When in the day. All steps of one hour before those of the next; in it, services at the same time."""

    BEFORE = 0
    """Before it begins: what an earlier day left."""
    ACCOUNT = 1
    SUPPLIES = 2
    """What a server is made of: an image, a network; and a volume."""
    SERVER = 3
    ADDRESS = 4
    ANSWER = 5
    USE = 6
    """A volume in the server, objects: what the tenant came for."""
    MOVE = 7
    """What administrators do to a server that is in use."""
    AFTER = 8
    """Is everything still as it was?"""
    SERVERS_AWAY = 9
    """From here on everything is tried, whatever failed before."""
    AWAY = 10
    """What servers held fast."""
    CLOSE = 11
    """The account. Only where all else is gone: it is what the rest is found by."""
    GONE = 12
    """Proof that nothing is left."""

    @property
    def evening(self) -> bool:
        """It clears away."""
        return Hour.SERVERS_AWAY <= self <= Hour.CLOSE


@dataclass(frozen=True)
class Day:
    """One day, as its steps see it.

    Args:
        outside: where the cloud is.
        name: of the project, of the user, and of everything that is made.
        stack: what has to be closed after the last step.
        clear: clears another day away, with the steps of the evening; returns what it could not, in words.
        made: what there is so far: "server" to its id …
        accounts: who is logged in.
        requests: ids of the requests that changed something; a step has a list of its own.
        request: the id that a step sends with all its requests. The services log it beside their own and hand
            it on to those that they ask in turn (global request id, oslo.context): so that a request whose
            answer never came is found too.
    """

    outside: Outside
    name: str
    stack: AsyncExitStack
    clear: Callable[[Day], Awaitable[list[str]]]
    made: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Cloud] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    request: str = ""

    @property
    def tenant(self) -> Cloud:
        """The cloud as the day's own user sees it. Raises QuorateError where there is none yet."""
        return self._as(TENANT)

    @property
    def administrator(self) -> Cloud:
        """The cloud as its administrator sees it. Raises QuorateError where nobody is logged in."""
        return self._as(ADMINISTRATOR)

    @property
    def project(self) -> str:
        """The id of the day's project."""
        return self.tenant.project_id

    def _as(self, who: str) -> Cloud:
        if who not in self.accounts:
            raise QuorateError(f"no {who} is logged in")
        cloud = self.accounts[who]
        headers = {**cloud.headers, REQUEST_HEADER: self.request} if self.request else cloud.headers
        return replace(cloud, requests=self.requests, headers=headers)

    async def log_in(self, who: str, account: Who | None = None) -> None:
        """Log in, as the cloud's administrator where no account is given, until the day is over."""
        self.accounts[who] = await self.stack.enter_async_context(login(self.outside, account))

    def other(self, name: str) -> Day:
        """Another day of the same cloud: same administrator, nothing made."""
        administrator = {ADMINISTRATOR: self.accounts[ADMINISTRATOR]}
        return replace(self, name=name, made={}, accounts=administrator, requests=[])


@dataclass(frozen=True)
class Step:
    """One thing that a tenant does.

    Args:
        service: whose step it is.
        hour: when.
        title: for people, what is done.
        run: does it; returns its evidence in a line, or raises the reason.
        needs: what has to be there: given by steps before. Where no service of the cluster gives it, the
            step is no part of the day.
        gives: what is there once it passed; its ids are in `Day.made`.
        timeout_s: deadline of the whole step.
    """

    service: str
    hour: Hour
    title: str
    run: Callable[[Day], Awaitable[str]]
    needs: tuple[str, ...] = (TENANT,)
    gives: tuple[str, ...] = ()
    timeout_s: float = 60.0
