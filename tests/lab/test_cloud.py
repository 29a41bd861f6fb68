"""The whole platform on five real machines: one command raises it, and every service proves itself.

A tenant's day and the drills of it are in tests/cloud: they take another quarter of an hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.lab.plane import Plane, raised_cloud, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The lab that is made without a file."""
    with raised_cloud(tmp_path_factory.mktemp("cloud")) as plane:
        yield plane


def test_every_service_proves_itself(cloud: Plane) -> None:
    """From outside, as clients."""
    checks = cloud.must("verify", "--quick", "--json", timeout_s=600).json()["checks"]
    assert {check["verdict"] for check in checks} == {"pass"}, json.dumps(checks, indent=1)
    services = {check["service"] for check in checks}
    assert services >= {
        "ceph",
        "cinder-volume",
        "etcd",
        "glance",
        "keystone",
        "neutron",
        "nova",
        "placement",
        "swift",
    }


def test_a_guests_card_that_is_taken_down_comes_up_again(cloud: Plane) -> None:
    """As Open vSwitch does it now and then, when libvirt has just set it up."""
    card = "tapquorate0"
    cloud.ssh("n1", "ip", "tuntap", "add", card, "mode", "tap")
    try:
        for _ in range(3):
            cloud.ssh("n1", "ip", "link", "set", card, "down")
            until("the card is up", lambda: ",UP" in cloud.ssh("n1", "ip", "link", "show", card), 30)
    finally:
        cloud.ssh("n1", "ip", "link", "delete", card)
