"""Every mistake in a service of the user's own is found, all at once, with what would be right."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.conftest import GOOD

from quorate.cli.common import catalogue
from quorate.spec.findings import Severity, dotted
from quorate.spec.model import Cluster
from quorate.spec.rules import judge

CATALOGUE = catalogue()
HTTP = {"health": {"http": "/"}}
WEB: dict[str, Any] = {"unit": "apache2", "vip": "10.77.1.120", "port": 80, **HTTP}
BOTH: dict[str, Any] = {**WEB, "mode": "active/active", "server_port": 8080}
DISK = {"device": "/dev/disk/by-id/quorate-web", "mount": "/srv/web"}
SHARED = {"policy": "shared", "address": "10.77.1.100"}


def cluster(services: dict[str, Any], **changes: Any) -> Cluster:
    return Cluster.model_validate({**copy.deepcopy(GOOD), "services": services, **changes})


def found(services: dict[str, Any], **changes: Any) -> list[tuple[str, str, str]]:
    """Where, what, and what would be right, of the errors."""
    findings = judge(cluster(services, **changes), CATALOGUE)
    return [(dotted(one.path), one.what, one.right) for one in findings if one.severity is Severity.ERROR]


def without(spec: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in keys}


GOOD_ONES: list[dict[str, Any]] = [
    WEB,
    BOTH,
    {**BOTH, "tls": True, "nodes": ["c2", "c3"]},
    {**WEB, "nodes": ["c1", "c2"], "prefer": "c1", "failback": True, "storage": DISK},
    {**WEB, "storage": DISK, "files": {"/srv/web/index.html": {"content": "x"}}, "reload": True},
    {"agent": "ocf:heartbeat:Dummy", "parameters": {"state": "/run/x"}},
    {"unit": "worker.service", "health": {"command": ["true"]}},
    {"unit": "cache", "port": 6379, "health": {"tcp": True}},
]


@pytest.mark.parametrize("spec", GOOD_ONES)
def test_a_good_one_is_good(spec: dict[str, Any]) -> None:
    assert found({"web": spec}) == []


MISTAKES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"port": 80}, "services.web", "no service 'web'", "say what runs it"),
    ({}, "services.web", "no service 'web'", "services:"),
    ({**WEB, "agent": "ocf:heartbeat:apache"}, "services.web.agent", "a systemd unit too", "one of them"),
    ({**WEB, "parameters": {"a": "b"}}, "services.web.parameters", "are an agent's", "remove"),
    (
        {"agent": "ocf:heartbeat:Dummy", "reload": True},
        "services.web.reload",
        "only a systemd unit",
        "remove",
    ),
    ({**WEB, "options": {"a": 1}}, "services.web.options", "has no options", "files"),
    ({**WEB, "mode": "self"}, "services.web.mode", "cannot be self", "active/passive or active/active"),
    ({**WEB, "unit": "haproxy"}, "services.web.unit", "belongs to haproxy", "your own"),
    ({**WEB, "unit": "keystone.service"}, "services.web.unit", "belongs to keystone", "your own"),
    ({**WEB, "unit": "ssh"}, "services.web.unit", "belongs to the host", "your own"),
    ({**WEB, "health": {}}, "services.web.health", "no kind of check", "exactly one"),
    ({**WEB, "health": {"http": "/", "tcp": True}}, "services.web.health", "http and tcp", "exactly one"),
    ({"unit": "a", **HTTP}, "services.web.health.http", "no port to ask on", "services.web.port"),
    (
        {"unit": "a", "health": {"command": ["test", "a b"]}},
        "services.web.health.command",
        "has a space",
        "script",
    ),
    (without(WEB, "port", "health"), "services.web", "virtual IP, but no port", "add port"),
    ({**WEB, "server_port": 8080}, "services.web.server_port", "is HAProxy's", "remove"),
    ({**WEB, "tls": True}, "services.web.tls", "is HAProxy's", "remove"),
    (without(BOTH, "vip"), "services.web", "no virtual IP", "10.77.1.101, which is free"),
    (without(BOTH, "port", "health"), "services.web", "but no port", "add port"),
    (without(BOTH, "server_port"), "services.web.port", "HAProxy has port 80", "server_port"),
    ({**BOTH, "server_port": 80}, "services.web.server_port", "HAProxy has port 80", "another one"),
    ({**BOTH, "tls": True, "health": {"tcp": True}}, "services.web.tls", "only for HTTP", "http: /"),
    ({**BOTH, "prefer": "c1"}, "services.web.prefer", "on all its nodes at once", "remove"),
    ({**BOTH, "storage": DISK}, "services.web.storage", "which destroys it", "active/passive"),
    ({**WEB, "nodes": ["c1", "c9"]}, "services.web.nodes[1]", "no node 'c9'", "nodes: c1"),
    ({**WEB, "nodes": ["c1", "c1", "c2"]}, "services.web.nodes[1]", "listed twice", "once"),
    ({**WEB, "nodes": ["c2"]}, "services.web.nodes", "on c2 only", "two nodes"),
    ({**WEB, "failback": True}, "services.web.failback", "no preferred node", "add prefer"),
    (
        {**WEB, "nodes": ["c1", "c2"], "prefer": "c3"},
        "services.web.prefer",
        "may not run on 'c3'",
        "nodes: c1, c2",
    ),
    (
        {**WEB, "storage": {**DISK, "device": "/srv/disk"}},
        "services.web.storage.device",
        "no block device",
        "/dev/disk",
    ),
    (
        {**WEB, "storage": {**DISK, "mount": "/usr/web"}},
        "services.web.storage.mount",
        "is the system's",
        "/srv/web",
    ),
    (
        {**WEB, "storage": {**DISK, "mount": "/var/lib"}},
        "services.web.storage.mount",
        "is the system's",
        "/srv/web",
    ),
    (
        {**WEB, "storage": {**DISK, "mount": "/srv/x/../../etc"}},
        "services.web.storage.mount",
        "is the system's",
        "/srv/web",
    ),
    ({**WEB, "files": {"/a": {}}}, "services.web.files./a", "neither content nor source", "exactly one"),
    (
        {**WEB, "files": {"/a": {"content": "x", "source": "y"}}},
        "services.web.files./a",
        "content and source",
        "exactly one",
    ),
    ({**WEB, "files": {"/a/../b": {"content": ""}}}, "services.web.files./a/../b", "..", "in full"),
    (
        {**WEB, "storage": DISK, "files": {"/srv/web": {"content": ""}}},
        "services.web.files./srv/web",
        "the mount itself",
        "below it",
    ),
]


@pytest.mark.parametrize(("spec", "where", "what", "right"), MISTAKES)
def test_a_mistake_is_named_with_what_would_be_right(
    spec: dict[str, Any], where: str, what: str, right: str
) -> None:
    findings = found({"web": spec})
    assert [one[0] for one in findings] == [where], findings
    assert what in findings[0][1] and right in findings[0][2], findings


TOGETHER: list[tuple[dict[str, Any], str, str]] = [
    (
        {"web": {**WEB, "storage": DISK}, "two": {"unit": "b", "storage": {**DISK, "mount": "/srv/two"}}},
        "services.two.storage.device",
        "web has /dev/disk/by-id/quorate-web",
    ),
    (
        {
            "web": {**WEB, "storage": DISK},
            "two": {"unit": "b", "storage": {"device": "/dev/disk/by-id/two", "mount": "/srv/web/two"}},
        },
        "services.two.storage.mount",
        "in one another",
    ),
    (
        {
            "web": {**WEB, "storage": DISK},
            "two": {"unit": "b", "files": {"/srv/web/x": {"content": ""}}},
        },
        "services.two.files./srv/web/x",
        "on the storage of web",
    ),
    (
        {
            "web": {**WEB, "files": {"/etc/x": {"content": ""}}},
            "two": {"unit": "b", "files": {"/etc/x": {"content": ""}}},
        },
        "services.two.files./etc/x",
        "a file of web too",
    ),
    ({"web": WEB, "two": {"unit": "apache2.service"}}, "services.two.unit", "belongs to web"),
    ({"web": WEB, "web-unit": {"unit": "b"}}, "services.web-unit", "what a resource"),
    ({"vip-web": {"unit": "b"}}, "services.vip-web", "what a resource"),
    (
        {"web": BOTH, "two": {**BOTH, "unit": "b", "vip": "10.77.1.121"}},
        "services.two.server_port",
        "web listens on 8080 too",
    ),
    ({"galera": {"vip": "10.77.1.101", "port": 3306}}, "services.galera.port", "one that quorate brings"),
]


@pytest.mark.parametrize(("services", "where", "what"), TOGETHER)
def test_services_do_not_get_into_one_anothers_way(services: dict[str, Any], where: str, what: str) -> None:
    findings = found(services)
    assert [one[0] for one in findings] == [where], findings
    assert what in findings[0][1]


def test_all_mistakes_come_at_once() -> None:
    wrong = {**BOTH, "server_port": 80, "storage": DISK, "prefer": "c9", "health": {}, "options": {"a": 1}}
    places = {place for place, _, _ in found({"web": wrong})}
    assert places >= {
        "services.web.server_port", "services.web.storage", "services.web.prefer", "services.web.health",
        "services.web.options",
    }  # fmt: skip


def test_shared_storage_under_a_node_that_cannot_be_switched_off_is_refused() -> None:
    data = {**copy.deepcopy(GOOD), "services": {"web": {**WEB, "storage": DISK}}}
    del data["nodes"]["c2"]["bmc"]
    findings = [one for one in judge(Cluster.model_validate(data), CATALOGUE) if one.is_error]
    said = {dotted(one.path): one.what for one in findings}
    assert "nobody could make sure that it has stopped writing" in said["services.web.storage"]


def test_one_address_for_all_is_not_for_one_that_moves_with_its_own() -> None:
    assert [one[0] for one in found({"web": without(WEB, "vip")}, vips=SHARED)] == ["services.web.port"]
    assert found({"worker": {"unit": "worker"}}, vips=SHARED) == []
    assert found({"web": without(BOTH, "vip")}, vips=SHARED) == []
    two = {"web": without(BOTH, "vip"), "two": {**without(BOTH, "vip"), "unit": "b", "server_port": 81}}
    assert [one[0] for one in found(two, vips=SHARED)] == ["services.two.port"]


def test_two_nodes_and_a_third_for_the_quorum_are_enough() -> None:
    assert found({"web": {**WEB, "nodes": ["c1", "c2"], "storage": DISK}}) == []


def test_what_nothing_proves_is_warned_of() -> None:
    warnings = [one for one in judge(cluster({"job": {"unit": "job"}}), CATALOGUE) if not one.is_error]
    assert [dotted(one.path) for one in warnings] == ["services.job"]
    disk = {"device": "/dev/sdb", "mount": "/srv/job"}
    warnings = [
        one
        for one in judge(cluster({"job": {"unit": "job", "port": 9, "storage": disk}}), CATALOGUE)
        if not one.is_error
    ]
    assert [dotted(one.path) for one in warnings] == ["services.job.storage.device"]
