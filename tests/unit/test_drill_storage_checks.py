"""The checks of storage that only one node may have: each is green on a good run and red on the one thing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from drill_histories import CONTROL, INJECTED, endpoint, record, requests

from quorate.drill.checks.acknowledged import CHECK as ACKNOWLEDGED
from quorate.drill.checks.budget import CHECK as BUDGET
from quorate.drill.checks.fence_true import CHECK as FENCE_TRUE
from quorate.drill.checks.fenced_first import CHECK as FENCED_FIRST
from quorate.drill.checks.filesystem import CHECK as FILESYSTEM
from quorate.drill.checks.one_mount import CHECK as ONE_MOUNT
from quorate.drill.checks.waits import CHECK as WAITS
from quorate.drill.history import History
from quorate.drill.judge import ask, judge
from quorate.drill.ledger import ReadBack, settle
from quorate.drill.model import Finding, Verdict, merge

DISK = "/dev/disk/by-id/quorate-web"
ALIVE, AGAIN = {"w1": "11", "w2": "12", "q1": "13"}, {"w1": "77", "w2": "12", "q1": "13"}
DARK = {"w1": "", "w2": "12", "q1": "13"}


def sight(t: float, boots: dict[str, str], *having: str) -> dict[str, Any]:
    """A look from outside: which nodes have the disk mounted."""
    return record("seen", t, boots=boots, mounts={node: [DISK] if node in having else [] for node in boots})


def line(t: float, node: str, what: str, subject: str) -> dict[str, Any]:
    return record("journal", 24.0, node=node, what=what, subject=subject, line="…", line_wall=1000.0 + t)


GOOD = (sight(0.1, ALIVE, "w1"), sight(12.6, DARK), sight(13.2, AGAIN), sight(13.5, AGAIN, "w2"))
FENCED, STARTED = line(13.2, "q1", "fenced", "w1"), line(13.4, "w2", "storage starting", "web")
CLEAN = record("fsck", 24.0, service="web", node="w2", device=DISK, exit=0, text="clean")


def run(
    *records: dict[str, Any],
    looks: int = 240,
    source: str = "outside",
    waits: bool = False,
    fails: Any = None,
    **changes: Any,
) -> History:
    """A run that lost w1, the holder; ``changes`` are to its ``run`` record."""
    said = {"fault": "isolate", "target": "w1", "fences": True, "outside": True, "storage": {"web": DISK}}
    endpoints = {"web": endpoint(budget_s=None if waits else 4.0, waits=waits, service="web")}
    everything = [
        record("run", 0.0, run="r1", endpoints=endpoints, **{**said, **changes}),
        record("injected", INJECTED, evidence="cut"),
        record("heal", 20.0),
        record("journals", 24.0, read=["w2", "q1"]),
        record("watched", 25.0, looks=looks, worst_s=0.2, source=source),
        *records,
    ]
    asked = requests("web", fails) if fails else requests("web")
    return History("/nowhere", everything[0], tuple(everything), asked)


def verdict(findings: Iterable[Finding]) -> Verdict:
    return merge(finding.verdict for finding in findings)


def test_a_run_that_went_well_is_green() -> None:
    history = run(*GOOD, FENCED, STARTED, CLEAN)
    for check in (ONE_MOUNT, FENCE_TRUE, FENCED_FIRST, FILESYSTEM, WAITS):
        assert verdict(ask(check, history)) is Verdict.PASS, check.name


def test_a_cluster_without_storage_is_no_doubt() -> None:
    history = run(storage={}, fences=False)
    for check in (ONE_MOUNT, FENCE_TRUE, FENCED_FIRST, FILESYSTEM, WAITS):
        assert verdict(ask(check, history)) is Verdict.PASS, check.name


def test_two_mounts_at_once_are_found() -> None:
    twice = (GOOD[0], sight(13.0, ALIVE, "w1", "w2"), sight(13.1, ALIVE, "w2"))
    assert verdict(ask(ONE_MOUNT, run(*twice))) is Verdict.FAIL


@pytest.mark.parametrize(("looks", "source"), [(60, "outside"), (0, "outside")])
def test_who_looked_too_seldom_has_seen_nothing(looks: int, source: str) -> None:
    assert verdict(ask(ONE_MOUNT, run(*GOOD, looks=looks, source=source))) is Verdict.UNKNOWN


def test_nodes_that_were_asked_are_believed_and_that_is_said() -> None:
    (finding,) = ask(ONE_MOUNT, run(*GOOD, looks=25, source="the nodes"))
    assert finding.verdict is Verdict.PASS
    assert "as far as the nodes" in finding.text


def test_a_bmc_that_lied_is_found() -> None:
    lied = (GOOD[0], sight(12.9, ALIVE), sight(13.5, ALIVE, "w2"))
    (finding,) = ask(FENCE_TRUE, run(*lied, FENCED))
    assert finding.verdict is Verdict.FAIL
    assert "on all the time" in finding.text
    assert verdict(ask(FENCED_FIRST, run(*lied, FENCED, STARTED))) is Verdict.FAIL


def test_the_drill_with_a_lying_bmc_fails_as_a_whole() -> None:
    lied = (GOOD[0], sight(12.9, ALIVE), sight(13.5, ALIVE, "w2"))
    history = run(*lied, FENCED, STARTED, CLEAN, fault="bmc-lying")
    assert judge(history).verdict is Verdict.FAIL


def test_on_real_hosts_the_bmc_is_taken_on_trust() -> None:
    (finding,) = ask(FENCE_TRUE, run(FENCED, outside=False))
    assert (finding.verdict, "on trust" in finding.text) == (Verdict.PASS, True)


@pytest.mark.parametrize(
    "journal",
    [
        (STARTED,),  # nobody ever confirmed anything
        (line(13.6, "q1", "fenced", "w1"), STARTED),  # confirmed after the start
    ],
)
def test_storage_that_did_not_wait_for_the_fence_is_found(journal: tuple[dict[str, Any], ...]) -> None:
    assert verdict(ask(FENCED_FIRST, run(*GOOD, *journal))) is Verdict.FAIL


def test_storage_that_was_elsewhere_has_nothing_to_wait_for() -> None:
    sights = (sight(0.1, ALIVE, "w2"), sight(12.6, DARK, "w2"))
    assert verdict(ask(FENCED_FIRST, run(*sights))) is Verdict.PASS


@pytest.mark.parametrize(("code", "expected"), [(0, "pass"), (4, "fail"), (12, "fail"), (8, "unknown")])
def test_what_e2fsck_says(code: int, expected: str) -> None:
    assert str(verdict(ask(FILESYSTEM, run({**CLEAN, "exit": code})))) == expected


def test_nobody_checked_is_doubt() -> None:
    assert verdict(ask(FILESYSTEM, run())) is Verdict.UNKNOWN


def status(text: str, severity: str = "critical") -> dict[str, Any]:
    return record(
        "status", 19.0, problems=[{"what": text, "where": "web", "next_step": "…", "severity": severity}]
    )


def down(t: float) -> bool:
    return t >= INJECTED


EXPLAINED = status("waits: w1 had it, and nothing has confirmed that w1 is off")


def test_down_and_explained_is_what_a_dead_bmc_has_to_give() -> None:
    history = run(EXPLAINED, waits=True, fails=down)
    assert verdict(ask(WAITS, history)) is Verdict.PASS
    assert verdict(ask(BUDGET, history)) is Verdict.PASS


def test_served_without_a_confirmation_is_red() -> None:
    def back_too_soon(t: float) -> bool:
        return INJECTED <= t < INJECTED + 4

    assert verdict(ask(WAITS, run(EXPLAINED, waits=True, fails=back_too_soon))) is Verdict.FAIL


@pytest.mark.parametrize("said", [status("it is fine", "info"), status("w1 has no power", "warning")])
def test_down_without_a_word_is_red(said: dict[str, Any]) -> None:
    assert verdict(ask(WAITS, run(said, waits=True, fails=down))) is Verdict.FAIL


def test_status_that_was_not_asked_is_doubt() -> None:
    assert verdict(ask(WAITS, run(waits=True, fails=down))) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (lambda held: held, "pass"),
        (lambda held: (*held[:3], held[4], held[3], *held[5:]), "fail"),  # out of order
        (lambda held: (*held[:3], *held[4:]), "fail"),  # lost
        (lambda held: (*held, -1), "fail"),  # damaged
        (lambda held: (*held, held[-1]), "fail"),  # twice
    ],
)
def test_records_are_there_in_order_and_once(keys: Any, expected: str) -> None:
    asked = requests("web-records", writes=True)
    held = keys(tuple(request.number for request in asked))
    said = record("run", 0.0, endpoints={"web-records": endpoint(writes=True)})
    readback = ReadBack("web-records", "w2", held, ordered=True)
    history = History("/nowhere", said, (said,), asked, (readback,))
    assert str(verdict(ask(ACKNOWLEDGED, history))) == expected


def test_order_is_asked_for_only_where_it_was_promised() -> None:
    asked = requests("rows", writes=True)
    backwards = tuple(reversed([request.number for request in asked]))
    assert settle("rows", asked, [ReadBack("rows", "c1", backwards)]).disordered == ()
    assert CONTROL[1] < INJECTED
