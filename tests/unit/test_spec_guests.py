"""Networks for guests in cluster.yaml: what the rules say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from guest_things import SPEC

from quorate.spec.model import Cluster
from quorate.spec.rules import guests as rules

CLUSTER = Cluster.model_validate(SPEC)
CONTROLLERS = ("c1", "c2", "c3")


def changed(**networks: Mapping[str, Any] | None) -> Cluster:
    kept = {**SPEC["networks"], **networks}
    return Cluster.model_validate(
        {**SPEC, "networks": {name: one for name, one in kept.items() if one is not None}}
    )


def mistakes(cluster: Cluster) -> list[str]:
    return [finding.what for rule in rules.RULES for finding in rule(cluster)]


def test_good_networks_have_no_findings() -> None:
    assert mistakes(CLUSTER) == []


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ({"api": {"cidr": "10.77.1.0/24", "use": "guests"}}, "must not depend on Open vSwitch"),
        ({"api": {"cidr": "10.77.1.0/24", "nic": "eth1"}}, "a network for hosts"),
        ({"much-too-long": {"cidr": "10.77.9.0/24", "use": "guests"}}, "13 characters"),
        ({"second": {"cidr": "10.77.9.0/24", "use": "tunnels"}}, "tunnel carries the tunnels already"),
        ({"tunnel": {"cidr": "10.77.3.0/24"}}, "no network carries their tunnels"),
        ({"more": {"cidr": "10.77.9.0/24", "use": "guests", "nic": "tunnel"}}, "interface of tunnel already"),
    ],
)
def test_networks_that_cannot_be(networks: dict[str, Any], said: str) -> None:
    assert any(said in one for one in mistakes(changed(**networks)))


def test_a_compute_without_tunnels_and_a_node_where_guests_are() -> None:
    nodes = {name: {**node, "addresses": dict(node["addresses"])} for name, node in SPEC["nodes"].items()}
    del nodes["n1"]["addresses"]["tunnel"]
    nodes["c1"]["addresses"]["provider"] = "10.77.4.11"
    found = mistakes(Cluster.model_validate({**SPEC, "nodes": nodes}))
    assert found == [
        "provider is for guests: nodes have no address on it",
        "n1 runs guests and has no address on the network tunnel, which carries their tunnels",
    ]


def test_two_chassis_cannot_take_over_from_each_other() -> None:
    nodes = {name: {**node, "addresses": dict(node["addresses"])} for name, node in SPEC["nodes"].items()}
    for name in CONTROLLERS:
        del nodes[name]["addresses"]["tunnel"]
    (said,) = mistakes(Cluster.model_validate({**SPEC, "nodes": nodes}))
    assert said.startswith("2 nodes have an address on it")
