"""The whole platform on five real machines: what it must never lose, and that all of it comes back by itself.

Safety only: nothing lost, one holder, fenced, servers that were not hit live on. Times are for `benchmarks/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.plane import Plane, raised_cloud, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]

SAFETY = {"acknowledged", "fencing", "one-holder", "guests", "healed"}
WATCH = ("database-write", "message-publish", "object-write", "network-write", "image-write", "guest")
"""The clients that are promised something, and the servers. What the others measure is time."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The lab that is made without a file."""
    with raised_cloud(tmp_path_factory.mktemp("cloud")) as plane:
        yield plane


@pytest.fixture
def whole(cloud: Plane) -> Plane:
    """All of it healthy: what one test breaks has to be whole again before the next one begins."""
    cloud.healthy(deadline_s=600)
    return cloud


def drilled(cloud: Plane, fault: str, target: str) -> dict[str, Any]:
    """The result of a drill, with its safety checks green."""
    options = [word for name in WATCH for word in ("--watch", name)]
    command = ("drill", "run", fault, "--target", target, "--seconds", "10", "--yes", "--json", *options)
    result: dict[str, Any] = cloud.run(*command, timeout_s=1500).json()
    findings = [each for each in result["findings"] if each["verdict"] != "pass"]
    told = json.dumps([findings, result["timeline"]], indent=1)
    assert {each["check"] for each in findings if each["verdict"] == "fail"} & SAFETY == set(), told
    assert result["writes"]["acknowledged"] > 20, told
    assert result["writes"]["lost"] == 0, told
    return result


def test_a_tenants_day(whole: Plane) -> None:
    """From an account to nothing left, from outside."""
    checks = whole.must("verify", "--day", "--json", timeout_s=900).json()["checks"]
    assert {check["verdict"] for check in checks} == {"pass"}, json.dumps(checks, indent=1)


def test_a_second_apply_changes_nothing(whole: Plane) -> None:
    """All of it is as cluster.yaml says, and stays so."""
    counts = whole.must("apply", "--json", timeout_s=600).json()["counts"]
    assert sum(counts.values()) == counts["ok"], counts


def test_a_controller_without_power_loses_nothing(whole: Plane) -> None:
    """Who holds Keystone's address: fenced, nothing lost, every service whole again by itself."""
    result = drilled(whole, "power-off", "vip-holder")
    assert any("fenced" in entry["what"] for entry in result["timeline"]), result["timeline"]
    until("Ceph is clean", lambda: _ceph(whole) == {"active+clean"}, 300)
    whole.healthy(deadline_s=600)


def test_a_compute_without_power_is_fenced_and_comes_back(whole: Plane) -> None:
    """Its servers are lost with it and started again; nobody else's are touched."""
    result = drilled(whole, "power-off", "n1")
    said = [each["text"] for each in result["findings"] if each["check"] == "guests"]
    assert any("guest-host, on n1: lost with its host" in text for text in said), said
    assert any(text.startswith("guest, on n2: it ran all the time") for text in said), said
    whole.healthy(deadline_s=600)


def _ceph(cloud: Plane) -> set[str]:
    """The states that placement groups are in, as Ceph says, with all OSDs up and in."""
    said = json.loads(cloud.ssh("c1", "ceph", "status", "--format", "json"))
    osds = said["osdmap"]
    if not osds["num_osds"] == osds["num_up_osds"] == osds["num_in_osds"]:
        return {"an OSD is missing"}
    return {state["state_name"] for state in said["pgmap"]["pgs_by_state"]}
