"""Every check passes on a good history, and is red or doubtful on the bad one it is there for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from drill_histories import between, endpoint, history, never, record

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.judge import ask, available, judge
from quorate.drill.ledger import ReadBack
from quorate.drill.model import Finding, Phase, Verdict, merge

AWAY = between(12.0, 14.0)


def verdict_of(check: str, judged: History) -> Verdict:
    return merge(finding.verdict for finding in ask(available()[check], judged))


def test_a_good_drill_passes() -> None:
    result = judge(history(fails=AWAY))
    assert [finding for finding in result.findings if finding.verdict is not Verdict.PASS] == []
    assert result.verdict is Verdict.PASS
    assert {outage.endpoint for outage in result.outages} == {"token", "rows"}
    assert (result.writes.acknowledged, result.writes.lost, result.writes.unknown) == (230, 0, 20)
    assert result.timeline[0].what == "cut"
    assert {"fenced", "first answer", "healed", "whole"} <= {entry.what for entry in result.timeline}
    assert result.to_json()["outages"][0]["upper_s"] == pytest.approx(2.11)


def test_a_lost_write_comes_out_red() -> None:
    result = judge(history(fails=AWAY, lose=[30]))
    assert result.verdict is Verdict.FAIL
    assert result.writes.lost == 1
    finding = next(each for each in result.findings if each.check == "acknowledged")
    assert "c2 lacks 30" in finding.evidence


def test_replicas_that_disagree_come_out_red() -> None:
    """Key 125 was never acknowledged. All may have it, or none: not only one of them."""
    good = history(fails=AWAY)
    c1, c2, c3 = good.readbacks
    assert (
        verdict_of("acknowledged", replace(good, readbacks=(replace(c1, keys=(*c1.keys, 125)), c2, c3)))
        == "fail"
    )
    everywhere = tuple(replace(each, keys=(*each.keys, 125)) for each in good.readbacks)
    agreed = replace(good, readbacks=everywhere)
    assert verdict_of("acknowledged", agreed) == "pass"
    assert judge(agreed).writes.recovered == 1


@pytest.mark.parametrize(
    ("extra_keys", "once", "expected"),
    [((5,), True, "fail"), ((5,), False, "pass"), ((9999,), True, "fail")],
    ids=["row twice", "message twice is at-least-once", "nobody sent it"],
)
def test_duplicates_and_strangers(extra_keys: tuple[int, ...], once: bool, expected: str) -> None:
    good = history()
    changed = tuple(
        replace(each, keys=(*each.keys, *extra_keys), exactly_once=once) for each in good.readbacks
    )
    assert verdict_of("acknowledged", replace(good, readbacks=changed)) == expected


def test_a_node_that_could_not_be_read_is_doubt_but_never_hides_a_loss() -> None:
    unreadable = ReadBack("rows", "c1", (), "refused")
    good, bad = history(), history(lose=[3])
    assert verdict_of("acknowledged", replace(good, readbacks=(unreadable, *good.readbacks[1:]))) == "unknown"
    assert verdict_of("acknowledged", replace(bad, readbacks=(unreadable, *bad.readbacks[1:]))) == "fail"
    assert verdict_of("acknowledged", replace(good, readbacks=())) == "unknown"


def test_over_budget_is_red() -> None:
    assert verdict_of("budget", history(fails=between(12.0, 15.2))) == "fail"
    assert verdict_of("budget", history(fails=between(12.0, 14.6))) == "pass"
    assert verdict_of("budget", history(fails=lambda t: t >= 12)) == "fail"


def test_an_outage_that_begins_with_the_first_request_counts_from_the_last_good_one_of_the_control_run() -> (
    None
):
    """A client that asks once in five seconds may well have no good one between the injection and the cut."""
    result = judge(history(fails=between(10.0, 12.9)))
    assert [outage.upper_s for outage in result.outages] == pytest.approx([3.01, 3.01])


def test_a_budget_of_nothing_allows_no_failed_request() -> None:
    assert verdict_of("budget", history(budget_s=0)) == "pass"
    assert verdict_of("budget", history(budget_s=0, fails=between(12.0, 12.1))) == "fail"


def test_a_noisy_place_is_doubt() -> None:
    assert verdict_of("noise", history(fails=between(3.0, 3.1))) == "unknown"
    slow = history(budget_s=0.3)
    assert verdict_of("noise", slow) == "unknown"


def test_a_client_that_was_itself_late_is_doubt() -> None:
    good = history()
    stalled = tuple(
        replace(each, sent=each.sent + 0.9) if each.phase is Phase.FAULT and each.number == 130 else each
        for each in good.requests
    )
    assert verdict_of("noise", replace(good, requests=stalled)) == "unknown"


def test_an_unproved_healing_is_red() -> None:
    assert verdict_of("healed", history(without=["healed"])) == "fail"
    assert verdict_of("healed", history(without=["recovered"])) == "fail"
    assert verdict_of("healed", history(without=["intent", "injected"])) == "unknown"
    assert verdict_of("healed", history(without=["recovered", "end"])) == "unknown"


def test_fencing() -> None:
    def line(node: str, wall: float) -> dict[str, object]:
        return record("journal", 24.7, node="c2", what="fenced", subject=node, line="…", line_wall=wall)

    assert verdict_of("fencing", history()) == "pass"
    assert verdict_of("fencing", history(without=["journal"])) == "fail"
    assert verdict_of("fencing", history(extra=[line("c3", 1014.0)])) == "fail"
    assert verdict_of("fencing", history(extra=[line("c1", 1030.0)])) == "fail"
    assert verdict_of("fencing", history(without=["journals"])) == "unknown"
    own = record("journals", 24.6, read=["c1"])
    assert verdict_of("fencing", history(without=["journals", "journal"])) == "unknown"
    only_the_victims = replace(history(without=["journals", "journal"]), records=(history().run, own))
    assert verdict_of("fencing", only_the_victims) == "unknown"


@pytest.mark.parametrize("holders", [["c2", "c3"], []], ids=["two", "none"])
def test_one_holder(holders: list[str]) -> None:
    assert (
        verdict_of("one-holder", history(extra=[record("holders", 24.9, vips={"10.0.0.1": holders})]))
        == "fail"
    )
    assert verdict_of("one-holder", history(without=["holders"])) == "unknown"


@pytest.mark.parametrize(
    ("error", "expected"),
    [("HTTP 401", "fail"), ("HTTP 404", "fail"), ("HTTP 503", "pass"), ("refused", "pass")],
)
def test_false_answers_are_red(error: str, expected: str) -> None:
    good = history(fails=AWAY)
    changed = tuple(replace(each, error=error) if not each.ok else each for each in good.requests)
    assert verdict_of("clean-errors", replace(good, requests=changed)) == expected


def test_an_incomplete_history_is_doubt() -> None:
    good = history()
    assert verdict_of("complete", replace(good, damaged=(7,))) == "unknown"
    assert (
        verdict_of("complete", replace(good, requests=good.requests[:100] + good.requests[101:])) == "unknown"
    )
    assert verdict_of("complete", history(without=["end"])) == "unknown"
    assert verdict_of("complete", history(extra=[record("problem", 9.0, text="x")])) == "unknown"


def test_a_check_that_crashes_is_unknown() -> None:
    def crash(_: History) -> Iterable[Finding]:
        raise ZeroDivisionError("oops")

    def silent(_: History) -> Iterable[Finding]:
        return ()

    assert ask(Check("x", "", crash), history())[0].verdict is Verdict.UNKNOWN
    assert ask(Check("x", "", silent), history())[0].verdict is Verdict.UNKNOWN
    passing = available()["complete"]
    assert judge(history(), [passing, Check("x", "", crash)]).verdict is Verdict.UNKNOWN


def test_an_empty_history_never_passes() -> None:
    """Nothing recorded, nothing proved: not one check may call that a pass on what it is there for."""
    empty = History("/nowhere", {"fault": "power-off", "target": "c1", "endpoints": {}})
    assert judge(empty).verdict is not Verdict.PASS
    for name in ("acknowledged", "budget", "healed", "fencing", "one-holder", "complete"):
        assert verdict_of(name, empty) is not Verdict.PASS, name


def test_where_no_client_writes_nothing_can_be_lost() -> None:
    reading = History("/nowhere", {"fault": "kill", "target": "c1", "endpoints": {"page": endpoint()}})
    assert verdict_of("acknowledged", reading) == "pass"
    writing = History("/nowhere", {**reading.run, "endpoints": {"rows": endpoint(writes=True)}})
    assert verdict_of("acknowledged", writing) == "unknown"


def test_merging() -> None:
    assert merge([Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL]) is Verdict.FAIL
    assert merge([Verdict.PASS, Verdict.UNKNOWN]) is Verdict.UNKNOWN
    assert merge([Verdict.PASS]) is Verdict.PASS
    assert merge([]) is Verdict.UNKNOWN


def test_nothing_fails_without_a_fault() -> None:
    assert judge(history(fails=never)).outages == ()


def test_over_budget_in_a_noisy_place_is_doubt() -> None:
    """The control run was as bad: nothing can be said of the cluster, and certainly not that it failed."""
    noisy = history(fails=lambda t: 3.0 <= t < 3.1 or 12.0 <= t < 16.0)
    assert verdict_of("budget", noisy) == "unknown"
    assert judge(noisy).verdict is Verdict.UNKNOWN


def test_failing_before_the_fault_is_doubt() -> None:
    assert verdict_of("budget", history(fails=between(10.5, 13.0))) == "unknown"
    in_flight = between(11.9, 13.0)
    assert verdict_of("budget", history(fails=in_flight)) == "pass"
