"""The end of raising a plane: verify until it passes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quorate.cli import raise_plane, verify
from quorate.errors import EXIT_UNKNOWN
from quorate.events import Event, Kind
from quorate.operations.verify import EXIT_CODES, Check, Verdict, Verification


def test_a_cluster_with_nothing_to_prove_is_raised_and_not_called_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(*_: Any, **__: Any) -> Verification:
        return Verification(())

    monkeypatch.setattr(verify, "prove", nothing)
    heard: list[Event] = []
    target: Any = None
    found = asyncio.run(raise_plane.settled(target, heard.append, settle_s=0.0))
    assert EXIT_CODES[found.verdict] == EXIT_UNKNOWN
    assert heard[-1].kind is Kind.DONE and "proof" in heard[-1].text


def test_who_has_passed_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter(
        (
            {"galera": "pass", "keystone": "fail", "nova": "unknown"},
            {"keystone": "pass", "nova": "fail"},
            {"nova": "pass"},
        )
    )
    asked: list[Any] = []

    async def prove(*_: Any, only: Any = None, **__: Any) -> Verification:
        asked.append(only)
        return Verification(
            tuple(Check(one, "t", Verdict(said), "") for one, said in next(tries).items()), 1.0
        )

    monkeypatch.setattr(verify, "prove", prove)
    monkeypatch.setattr(raise_plane, "AGAIN_S", 0)
    target: Any = None
    found = asyncio.run(raise_plane.settled(target, list[Event]().append, settle_s=60.0))
    assert asked == [None, {"keystone", "nova"}, {"nova"}] and found.seconds == 3.0
    assert [check.service for check in found.checks] == ["galera", "keystone", "nova"]
    assert found.verdict is Verdict.PASS


def test_at_the_deadline_it_is_said_who_has_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def prove(*_: Any, **__: Any) -> Verification:
        return Verification((Check("nova", "ready", Verdict.FAIL, "no conductor"),))

    monkeypatch.setattr(verify, "prove", prove)
    heard: list[Event] = []
    target: Any = None
    found = asyncio.run(raise_plane.settled(target, heard.append, settle_s=0.0))
    assert found.verdict is Verdict.FAIL
    assert heard[-1].kind is Kind.FAILED and heard[-1].text == "0 of 1 proofs pass; nova, ready: no conductor"


@pytest.mark.parametrize(("verdict", "days"), [("pass", 1), ("fail", 0), ("unknown", 0)])
def test_a_tenants_day_is_lived_once_and_only_in_a_plane_that_passed(
    verdict: str, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    async def prove(*_: Any, **how: Any) -> Verification:
        asked.append(how)
        return Verification((), day=(Check("nova", "boot a server", Verdict.FAIL, "no room"),))

    monkeypatch.setattr(verify, "prove", prove)
    target: Any = None
    before = Verification((Check("nova", "ready", Verdict(verdict), ""),))
    found = asyncio.run(raise_plane.lived(target, list[Event]().append, before))
    assert asked == [{"proofs": False}] * days and len(found.day) == days
    assert found.verdict == ("fail" if days else verdict) and found.checks == before.checks
