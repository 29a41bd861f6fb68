"""The whole platform on five real machines: one command raises it, and every service proves itself.

A tenant's day and the drills of it are in tests/cloud: they take another quarter of an hour.
"""

from __future__ import annotations

import json
import re
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


def test_gateways_watch_each_other_also_without_a_router(cloud: Plane) -> None:
    """Else the gateways of a first router all take it at once, each for want of a sign of the others."""
    routers = ("ovn-nbctl", "--no-leader-only", "--bare", "--columns=name", "list", "Logical_Router")
    assert cloud.ssh("c1", *routers).strip() == ""
    tunnels = ("ovs-vsctl", "--bare", "--columns=bfd_status", "find", "Interface", "type=geneve")
    for node in ("c1", "c2", "c3", "n1", "n2"):
        until(
            f"{node} sees the four others",
            lambda node=node: len(re.findall(r"\bstate=up", cloud.ssh(node, *tunnels))) == 4,
            30,
        )
