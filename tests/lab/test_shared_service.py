"""A web server on shared storage, on real machines: what it must never lose, and the lie that must be found.

Safety only: nothing lost, one mount, fenced first, file system clean. Times are for `benchmarks/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.plane import Plane, example, must, quorate

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1500)]

NAME = "t-web"
EXAMPLE = "web-active-passive.yaml"
SAFETY = {"acknowledged", "one-mount", "fenced-first", "fence-true", "filesystem", "fencing", "waits"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The example, under a name and in networks of the tests' own; taken down at the end."""
    file = example(EXAMPLE, NAME, tmp_path_factory.mktemp("web"), "10.79.")
    quorate("lab", "down", "--name", NAME)
    must("lab", "up", str(file), timeout_s=1200)
    yield Plane(NAME)
    must("lab", "down", "--name", NAME)


def drilled(web: Plane, fault: str) -> dict[str, Any]:
    """The result of a drill on whichever node has the service."""
    web.healthy()
    options = ("--service", "web", "--seconds", "10", "--yes", "--json")
    result: dict[str, Any] = web.run("drill", "run", fault, *options, timeout_s=900).json()
    return result


def failed(result: dict[str, Any]) -> set[str]:
    """The safety checks that are red."""
    return {each["check"] for each in result["findings"] if each["verdict"] == "fail"} & SAFETY


def told(result: dict[str, Any]) -> str:
    """What did not pass, in full, and the timeline: a failure on another machine has to explain itself."""
    findings = [each for each in result["findings"] if each["verdict"] != "pass"]
    return json.dumps([findings, result["timeline"]], indent=1)


@pytest.mark.parametrize("fault", ["power-off", "freeze", "isolate", "bmc-slow", "bmc-dead"])
def test_nothing_is_lost_and_nothing_is_mounted_twice(web: Plane, fault: str) -> None:
    result = drilled(web, fault)
    assert failed(result) == set(), told(result)
    assert result["writes"]["acknowledged"] > 20
    assert result["writes"]["lost"] == 0


def test_a_bmc_that_lies_is_found_out(web: Plane) -> None:
    """The negative control; the last one, because it may damage the file system."""
    result = drilled(web, "bmc-lying")
    assert result["verdict"] == "fail"
    assert "fence-true" in failed(result)
