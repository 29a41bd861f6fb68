"""One node's answers become a look; a node that is silent, hangs or lies does not stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from quorate.engine.look import Answer, Question
from quorate.errors import UnreachableError
from quorate.operations.survey import read
from quorate.services.base import Health, HealthProbe, Judgement

XML = """<pacemaker-result api-version="2.38" request="crm_mon"><summary><current_dc present="true"
name="c1" with_quorum="true"/></summary><nodes><node name="c1" online="true" is_dc="true"/></nodes>
<resources/><status code="0" message="OK"/></pacemaker-result>"""


def answer(state: Mapping[str, Any] | None, **more: Any) -> Answer:
    return Answer(Question("c1", "host", {}), state, **more)


def probe(state: Mapping[str, Any]) -> Judgement:
    return Judgement(Health.OK, str(state["said"]))


PROBE = HealthProbe("keystone", "c1", "http", {}, probe)
HOST = answer({"addresses": ["10.77.0.11"], "time_s": 1000.0, "disks": {"/": 10.0}})


def test_a_node_that_answers_everything() -> None:
    found = read("c1", [HOST, answer({"xml": XML}), answer({"said": "fine"})], [PROBE], 999.0, 1001.0)
    assert found.reachable
    assert found.addresses == frozenset({"10.77.0.11"})
    assert found.view is not None
    assert found.view.dc == "c1"
    assert [(one.judgement.health, one.judgement.text) for one in found.findings] == [(Health.OK, "fine")]


def test_a_clock_within_the_trip_is_right_and_outside_of_it_is_off_by_the_rest() -> None:
    def ahead(before: float, after: float) -> float:
        return read("c1", [HOST, answer({"xml": XML})], [], before, after).clock_ahead_s

    assert ahead(998.0, 1003.0) == 0
    assert ahead(990.0, 995.0) == 5.0
    assert ahead(1010.0, 1012.0) == -10.0


def test_a_node_that_cannot_be_reached_says_why_and_nothing_else() -> None:
    error = UnreachableError("no answer within 2.5 s")
    silent = [answer(None, error=error.what, reached=False, transport_error=error)] * 3
    found = read("c1", silent, [PROBE], 0, 0)
    assert (found.reachable, found.why, found.findings) == (False, "no answer within 2.5 s", ())


def test_pacemaker_that_is_down_leaves_the_rest_of_the_node_readable() -> None:
    down = answer(None, error="Pacemaker does not answer here", evidence="crm_mon: Connection refused\nmore")
    found = read("c1", [HOST, down, answer({"said": "fine"})], [PROBE], 999, 1001)
    assert found.view is None
    assert found.why_no_view == "crm_mon: Connection refused"
    assert found.findings[0].judgement.health is Health.OK


def test_words_that_are_no_crm_mon_are_no_view() -> None:
    found = read("c1", [HOST, answer({"xml": "<html/>"})], [], 999, 1001)
    assert found.view is None
    assert found.why_no_view


def test_a_question_without_an_answer_and_a_judgement_that_crashes_are_unknown() -> None:
    found = read(
        "c1",
        [HOST, answer({"xml": XML}), answer(None, error="no answer within 4 s"), answer({})],
        [PROBE, PROBE],
        0,
        0,
    )
    assert [one.judgement.health for one in found.findings] == [Health.UNKNOWN, Health.UNKNOWN]
    assert "4 s" in found.findings[0].judgement.text
    assert "KeyError" in found.findings[1].judgement.text


async def test_a_node_that_takes_the_connection_and_hangs_is_given_up() -> None:
    from quorate.operations.survey import _visit
    from quorate.transport.base import Command, Completed

    class Hanging:
        node = "c1"

        async def run(self, command: Command) -> Completed:
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None: ...

    found = await _visit(lambda node: Hanging(), "c1", [PROBE], 0.05)
    assert not found.reachable
    assert "0.05 s" in found.why
