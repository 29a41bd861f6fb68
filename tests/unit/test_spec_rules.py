"""Each rule finds its mistake, says what would be right, and is silent about a good spec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quorate.spec.catalogue import Catalogue
from quorate.spec.findings import Severity, dotted
from quorate.spec.model import Cluster
from quorate.spec.rules import judge

Spec = dict[str, Any]
Change = Callable[[Spec], object]


def remove(*path: str) -> Change:
    def change(spec: Spec) -> None:
        for key in path[:-1]:
            spec = spec[key]
        del spec[path[-1]]

    return change


def put(value: object, *path: str) -> Change:
    def change(spec: Spec) -> None:
        for key in path[:-1]:
            spec = spec.setdefault(key, {})
        spec[path[-1]] = value

    return change


def shared(address: str | None) -> Change:
    def change(spec: Spec) -> None:
        spec["vips"] = {"policy": "shared"} | ({"address": address} if address else {})
        spec["services"] = {"web": {}, "portal": {}}

    return change


def with_fourth(spec: Spec) -> None:
    spec["nodes"]["c4"] = {
        "addresses": {"cluster": "10.77.0.14", "api": "10.77.1.14"},
        "bmc": {"address": "10.77.2.14", "password_file": "x"},
    }


def all_nodes_with(role: str) -> Change:
    def change(spec: Spec) -> None:
        for node in spec["nodes"].values():
            node["roles"] = [role]

    return change


def bmcs_behind_one_address(spec: Spec) -> None:
    for number, node in enumerate(spec["nodes"].values()):
        node["bmc"] |= {"address": "10.77.2.1", "port": 6230 + number}


BMC = {"address": "10.77.2.11", "password_file": "x"}

MISTAKES: list[tuple[str, Change, str, str, str]] = [
    ("no bmc network", remove("networks", "bmc"), "networks", "no network 'bmc'", "add bmc"),
    (
        "networks overlap",
        put("10.77.0.0/22", "networks", "storage", "cidr"),
        "networks.storage.cidr",
        "overlaps with the network cluster (10.77.0.0/24)",
        "addresses of its own",
    ),
    (
        "network too small",
        put("10.9.0.0/30", "networks", "storage", "cidr"),
        "networks.storage.cidr",
        "has room for 2 hosts",
        "/29",
    ),
    (
        "multicast network",
        put("224.0.0.0/24", "networks", "storage", "cidr"),
        "networks.storage.cidr",
        "not for hosts",
        "RFC 1918",
    ),
    ("no controller", all_nodes_with("compute"), "nodes", "there is no controller", "three"),
    ("two controllers", remove("nodes", "c3"), "nodes", "survive the loss of 0", "have three"),
    ("four controllers", with_fourth, "nodes", "no more than 3 do", "have 3 or 5"),
    ("no BMC", remove("nodes", "c2", "bmc"), "nodes.c2", "has no BMC", "add bmc"),
    ("no role", put([], "nodes", "c2", "roles"), "nodes.c2.roles", "has no role", "give it one"),
    (
        "role twice",
        put(["controller", "controller"], "nodes", "c2", "roles"),
        "nodes.c2.roles",
        "listed twice",
        "once",
    ),
    (
        "unknown network",
        put("10.77.0.99", "nodes", "c2", "addresses", "clutser"),
        "nodes.c2.addresses.clutser",
        "no network 'clutser'",
        "did you mean 'cluster'?",
    ),
    (
        "no api address",
        remove("nodes", "c2", "addresses", "api"),
        "nodes.c2.addresses",
        "no address on the network api",
        "10.77.1.0/24",
    ),
    (
        "address outside its network",
        put("10.78.0.12", "nodes", "c2", "addresses", "cluster"),
        "nodes.c2.addresses.cluster",
        "outside the network cluster (10.77.0.0/24)",
        "is free",
    ),
    (
        "broadcast address",
        put("10.77.0.255", "nodes", "c2", "addresses", "cluster"),
        "nodes.c2.addresses.cluster",
        "the broadcast address",
        "is free",
    ),
    (
        "two nodes, one address",
        put("10.77.0.11", "nodes", "c2", "addresses", "cluster"),
        "nodes.c2.addresses.cluster",
        "already c1 on cluster",
        "of its own",
    ),
    (
        "VIP of a node",
        put("10.77.1.12", "services", "web", "vip"),
        "services.web.vip",
        "already c2 on api",
        "of its own",
    ),
    (
        "one VIP twice",
        put("10.77.1.101", "services", "portal", "vip"),
        "services.portal.vip",
        "already the virtual IP of web",
        "of its own",
    ),
    (
        "two BMCs, one address",
        put("10.77.2.11", "nodes", "c2", "bmc", "address"),
        "nodes.c2.bmc.address",
        "already the BMC of c1",
        "of its own",
    ),
    (
        "a BMC at a node's address",
        put("10.77.1.11", "nodes", "c2", "bmc", "address"),
        "nodes.c2.bmc.address",
        "already c1 on api",
        "of its own",
    ),
    (
        "BMC is multicast",
        put("224.0.0.1", "nodes", "c2", "bmc", "address"),
        "nodes.c2.bmc.address",
        "not the address of a host",
        "",
    ),
    (
        "VIP outside the api network",
        put("10.77.0.101", "services", "web", "vip"),
        "services.web.vip",
        "outside the network api (10.77.1.0/24)",
        "10.77.1.103 is free",
    ),
    (
        "VIP is the network address",
        put("10.77.1.0", "services", "web", "vip"),
        "services.web.vip",
        "the network address",
        "is free",
    ),
    ("shared without address", shared(None), "vips", "no address to share", "10.77.1.101, which is free"),
    (
        "shared outside",
        shared("10.99.0.1"),
        "vips.address",
        "outside the network api",
        "is free",
    ),
    (
        "shared and a VIP of its own",
        put({"policy": "shared", "address": "10.77.1.100"}, "vips"),
        "services.web.vip",
        "though the policy is shared",
        "per-service",
    ),
    (
        "address without sharing",
        put("10.77.1.100", "vips", "address"),
        "vips.address",
        "though the policy gives each service its own",
        "policy: shared",
    ),
    (
        "unknown service",
        put({}, "services", "portl"),
        "services.portl",
        "no service 'portl'",
        "did you mean 'portal'?",
    ),
    (
        "mode it cannot have",
        put("active/passive", "services", "store", "mode"),
        "services.store.mode",
        "store cannot be active/passive",
        "it can be self",
    ),
    (
        "bad option",
        put("many", "services", "web", "options", "workers"),
        "services.web.options.workers",
        "'many' is not a whole number",
        "",
    ),
    (
        "unknown option",
        put(3, "services", "web", "options", "worker"),
        "services.web.options.worker",
        "unknown key",
        "did you mean 'workers'?",
    ),
    (
        "switched off what must be there",
        put(False, "services", "store", "enabled"),
        "services.store.enabled",
        "every cluster needs store",
        "remove",
    ),
    (
        "without what it needs",
        remove("services", "web"),
        "services.portal",
        "portal needs web",
        "add web under services",
    ),
    (
        "no VIP",
        remove("services", "web", "vip"),
        "services.web",
        "web has no virtual IP",
        "add vip: 10.77.1.103, which is free",
    ),
]


@pytest.mark.parametrize(
    ("change", "where", "what", "right"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_each_mistake_is_found_once_and_where_it_is(
    good_spec: Spec, services: Catalogue, change: Change, where: str, what: str, right: str
) -> None:
    change(good_spec)
    errors = [finding for finding in judge(Cluster.model_validate(good_spec), services) if finding.is_error]
    matching = [finding for finding in errors if dotted(finding.path) == where and what in finding.what]
    assert len(matching) == 1, errors
    assert right in matching[0].right


def test_a_good_spec_has_no_findings(good_cluster: Cluster, services: Catalogue) -> None:
    assert list(judge(good_cluster, services)) == []


def test_a_shared_address_is_enough_for_all_services(good_spec: Spec, services: Catalogue) -> None:
    shared("10.77.1.100")(good_spec)
    assert list(judge(Cluster.model_validate(good_spec), services)) == []


def test_a_single_controller_is_an_error(good_spec: Spec) -> None:
    del good_spec["nodes"]["c2"], good_spec["nodes"]["c3"]
    assert "not highly available" in next(judge(Cluster.model_validate(good_spec))).what


def test_bmcs_may_share_an_address_on_different_ports(good_spec: Spec, services: Catalogue) -> None:
    bmcs_behind_one_address(good_spec)
    assert list(judge(Cluster.model_validate(good_spec), services)) == []


def test_a_routed_bmc_is_a_warning(good_spec: Spec) -> None:
    good_spec["nodes"]["c1"]["bmc"]["address"] = "192.0.2.11"
    (finding,) = judge(Cluster.model_validate(good_spec))
    assert finding.severity is Severity.WARNING
    assert "outside the network bmc" in finding.what


def test_a_virtual_ip_of_a_service_without_clients_is_a_warning(good_spec: Spec, services: Catalogue) -> None:
    good_spec["services"]["cache"] = {"vip": "10.77.1.103"}
    (finding,) = judge(Cluster.model_validate(good_spec), services)
    assert finding.severity is Severity.WARNING


def test_no_address_is_proposed_twice(good_spec: Spec, services: Catalogue) -> None:
    good_spec["services"] = {"web": {}, "portal": {}}
    proposed = [finding.right for finding in judge(Cluster.model_validate(good_spec), services)]
    assert len(set(proposed)) == 2


def test_a_disabled_service_needs_no_virtual_ip(good_spec: Spec, services: Catalogue) -> None:
    good_spec["services"]["portal"] = {"enabled": False}
    assert list(judge(Cluster.model_validate(good_spec), services)) == []
