"""How an outage's bounds are drawn, on histories whose truth is known."""

from __future__ import annotations

import random

import pytest
from drill_histories import between, never, requests

from quorate.drill.model import Outcome, Phase, Request
from quorate.drill.outages import client_lateness, of_endpoint, worst_gap


def test_bounds_enclose_the_truth() -> None:
    """The service is away from 12.03 to 14.27 s; a client that asks every 100 ms can bound it to ±0.1 s."""
    (outage,) = of_endpoint(requests("token", between(12.03, 14.27)), 12.03)
    assert outage.lower_s <= 14.27 - 12.03 <= (outage.upper_s or 0)
    assert outage.lower_s == pytest.approx(2.1)  # 12.1 … 14.2
    assert outage.upper_s == pytest.approx(14.31 - 12.0)
    assert (outage.failed, outage.sent, outage.longest_run) == (22, 22, 22)
    assert outage.started_s == pytest.approx(0.07)


def test_no_failure_is_no_outage() -> None:
    assert of_endpoint(requests("token", never), 12.0) == ()
    assert worst_gap(requests("token", never)) == pytest.approx(0.11)


def test_a_lucky_answer_does_not_end_an_outage() -> None:
    """One good answer at 13.0 between failures: still one outage, and the answer shows in ``sent``."""
    (outage,) = of_endpoint(requests("t", lambda t: 12 <= t < 14 and t != 13.0), 12.0)
    assert outage.failed == 19
    assert outage.sent == 20
    assert outage.longest_run == 10
    assert outage.upper_s == pytest.approx(14.01 - 11.9)


def test_a_second_of_good_answers_does() -> None:
    two = of_endpoint(requests("t", lambda t: 12 <= t < 13 or 14.2 <= t < 15), 12.0)
    assert [outage.failed for outage in two] == [10, 8]


def test_an_outage_that_was_not_seen_to_end_has_no_upper_bound() -> None:
    (outage,) = of_endpoint(requests("t", lambda t: t >= 20), 12.0)
    assert outage.upper_s is None
    (outage,) = of_endpoint(requests("t", lambda t: t < 1), 0.0)
    assert outage.upper_s is None


def test_slow_but_good_answers_are_a_gap() -> None:
    """Nothing fails, yet the client waited: the gap shows it."""
    slow = [
        Request("t", n, Phase.FAULT, n / 10, n / 10, n / 10 + (0.9 if n == 5 else 0.01), Outcome.OK)
        for n in range(10)
    ]
    assert worst_gap(slow) == pytest.approx(1.0)
    assert worst_gap(slow[:1]) is None


def test_order_of_recording_does_not_matter() -> None:
    made = list(requests("t", between(12.0, 14.0)))
    shuffled = random.Random(7).sample(made, len(made))
    assert of_endpoint(shuffled, 12.0) == of_endpoint(made, 12.0)


def test_the_clients_own_lateness() -> None:
    late = Request("t", 0, Phase.FAULT, 1.0, 1.75, 1.8, Outcome.OK)
    assert client_lateness([*requests("t"), late]) == pytest.approx(0.75)
    assert client_lateness([]) == 0.0
