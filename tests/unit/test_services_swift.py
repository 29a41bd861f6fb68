"""The object store: replicas apart, rings before servers, nothing on every address, clients bounded."""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

import pytest
from service_things import NODES, SPEC

from quorate.errors import SpecError
from quorate.home import Home
from quorate.pacemaker.model import Clone
from quorate.resources.base import Placed, Stage
from quorate.services.base import Health
from quorate.services.objects import layout, units
from quorate.services.objects.judge import judge_proxy, judge_storage
from quorate.services.registry import Platform, platform
from quorate.services.swift import BACKEND_PORT, CHECK, FILTERS, RINGS_READY, Swift, SwiftOptions
from quorate.spec.model import Cluster

VIPS = {"galera": "10.77.1.101", "keystone": "10.77.1.102", "swift": "10.77.1.103"}


def cluster(options: dict[str, Any] | None = None, roles: dict[str, list[str]] | None = None) -> Cluster:
    nodes = {
        name: {**node, "roles": (roles or {}).get(name, ["controller"])}
        for name, node in SPEC["nodes"].items()
    }
    services: dict[str, Any] = {name: {"vip": address} for name, address in VIPS.items()}
    services |= {"rabbitmq": {}, "memcached": {}}
    services["swift"]["options"] = options or {}
    return Cluster.model_validate({**SPEC, "nodes": nodes, "services": services})


def store(folder: Path, its: Cluster | None = None) -> Platform:
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True)
    for node in NODES:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    return platform(its or cluster(), home)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Three controllers that are storage nodes too, nothing said."""
    return store(tmp_path_factory.mktemp("usual"))


def placed(its: Platform, node: str) -> dict[str, Placed]:
    return {one.resource.id: one for one in Swift().resources(its.ctx) if one.node == node}


def text(its: Platform, node: str, path: str) -> str:
    return str(placed(its, node)[f"file:{path}"].resource.args["content"])


def parsed(content: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(content)
    return parser


def test_every_node_is_a_zone_that_stays_the_same() -> None:
    its = cluster()
    assert [layout.zone(its, node, {}) for node in NODES] == [11, 12, 13]
    assert layout.zone(its, "c2", {"c2": 4}) == 4


def test_devices_are_those_of_all_but_for_exceptions() -> None:
    found = layout.devices(cluster(), {"d1": 100.0}, {"c2": {"a": 1.0, "b": 0.0}}, {"c3": 7})
    assert [(one.node, one.name, one.zone, one.weight) for one in found] == [
        ("c1", "d1", 11, 100.0),
        ("c2", "a", 12, 1.0),
        ("c2", "b", 12, 0.0),
        ("c3", "d1", 7, 100.0),
    ]
    assert layout.replicas(found) == 3
    assert layout.replicas(found[:2]) == 2, "a device that is being emptied holds nothing new"


def test_an_unknown_node_and_a_store_without_devices_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        store(tmp_path, cluster({"exceptions": {"c9": {"d1": 1}}, "zones": {"c8": 1}, "devices": {"d1": 0}}))
    said = " ".join(raised.value.findings)
    assert "exceptions.c9" in said and "zones.c8" in said and "no device with a weight" in said


def test_the_rings_have_every_device_at_the_port_of_their_server() -> None:
    its = cluster()
    found = layout.devices(its, {"d1": 100.0}, {}, {})
    asked = layout.request(its, "c2", found, part_power=10, min_part_hours=1)
    assert asked["keeper"] == "c1" and asked["node"] == "c2" and asked["replicas"] == 3
    ports = {name: {dev["port"] for dev in devices} for name, devices in asked["rings"].items()}
    assert ports == {"account": {6202}, "container": {6201}, "object": {6200}}
    assert {dev["zone"] for dev in asked["rings"]["object"]} == {11, 12, 13}


def test_the_keeper_makes_the_rings_before_the_others_take_them(usual: Platform) -> None:
    its = usual
    stages = {node: placed(its, node)[f"command:{RINGS_READY}"].stage for node in NODES}
    assert stages == {"c1": Stage.CONFIG, "c2": Stage.MEMBERSHIP, "c3": Stage.MEMBERSHIP}
    for node in NODES:
        resource = placed(its, node)[f"command:{RINGS_READY}"].resource
        assert resource.args["user"] == "swift" and resource.args["check_stdin"] == resource.args["stdin"]
        assert json.loads(resource.args["stdin"])["node"] == node


def test_servers_start_after_the_rings_and_before_pacemaker_starts_the_api(usual: Platform) -> None:
    its = usual
    for node in NODES:
        here = placed(its, node)
        order = list(here)
        for name in (*units.SERVERS, *units.BACKGROUND):
            begun = here[f"background:{name}"]
            assert begun.stage is Stage.MEMBERSHIP < Stage.CLUSTER
            ready = here[f"command:{RINGS_READY}"]
            assert ready.stage < begun.stage or begun.resource.after == (f"command:{RINGS_READY}",)
            assert here[f"unit:{name}: {units.RUNS}"].stage is Stage.DATA
            known = here[f"unit:{name}"]
            assert known.stage is Stage.CONFIG and known.resource.desired["changed"] is False
            assert order.index(f"file:{units.SYSTEM}/{name}") < order.index(f"unit:{name}")
    servers = [placed(its, "c1")[f"unit:{name}: {units.RUNS}"].resource for name in units.SERVERS]
    assert all(server.serial for server in servers), "two of three replicas go on serving"


@pytest.mark.parametrize("node", NODES)
def test_it_never_listens_on_every_address(usual: Platform, node: str) -> None:
    its = usual
    address = its.ctx.cluster.address(node)
    for ring in layout.RINGS:
        found = parsed(text(its, node, units.config(ring.name)))["DEFAULT"]
        assert (found["bind_ip"], found["bind_port"]) == (address, str(ring.port))
    proxy = parsed(text(its, node, "/etc/swift/proxy-server.conf"))["DEFAULT"]
    assert (proxy["bind_ip"], proxy["bind_port"]) == (address, str(BACKEND_PORT))
    rsyncd = text(its, node, units.RSYNC_CONFIG)
    assert f"address = {address}\n" in rsyncd
    allowed = "hosts allow = 10.77.0.11 10.77.0.12 10.77.0.13\nhosts deny = *\n"
    assert allowed in rsyncd
    assert f"http://{address}:{BACKEND_PORT}/info" in text(its, node, CHECK)


def test_one_worker_is_one_process(tmp_path: Path) -> None:
    its = store(tmp_path / "one")
    assert parsed(text(its, "c1", units.config("object")))["DEFAULT"]["workers"] == "0"
    its = store(tmp_path / "two", cluster({"storage_workers": 2}))
    assert parsed(text(its, "c1", units.config("object")))["DEFAULT"]["workers"] == "2"


def test_a_silent_storage_node_costs_a_client_little(usual: Platform) -> None:
    app = parsed(text(usual, "c1", "/etc/swift/proxy-server.conf"))["app:proxy-server"]
    assert float(app["conn_timeout"]) + float(app["post_quorum_timeout"]) <= 2
    assert app["concurrent_gets"] == "on" and float(app["concurrency_timeout"]) <= 0.5
    assert float(app["recoverable_node_timeout"]) <= 2
    assert int(app["error_suppression_limit"]) < 10


def test_every_part_of_the_pipeline_is_there(usual: Platform) -> None:
    found = parsed(text(usual, "c1", "/etc/swift/proxy-server.conf"))
    pipeline = found["pipeline:main"]["pipeline"].split()
    assert pipeline[-1] == "proxy-server" and pipeline.index("authtoken") < pipeline.index("keystoneauth")
    assert pipeline.index("healthcheck") < pipeline.index("proxy-logging"), "checks are not logged"
    sections = {name.removeprefix("filter:") for name in found.sections() if name.startswith("filter:")}
    assert set(pipeline[:-1]) == sections and {name for name, _ in FILTERS} <= sections


def test_secrets_are_private_and_the_same_everywhere(usual: Platform) -> None:
    its = usual
    assert len({text(its, node, "/etc/swift/swift.conf") for node in NODES}) == 1
    for path in ("/etc/swift/swift.conf", "/etc/swift/proxy-server.conf"):
        resource = placed(its, "c1")[f"file:{path}"].resource
        assert resource.secret and resource.desired["mode"] == "0640" and resource.desired["group"] == "swift"
    hashes = parsed(text(its, "c1", "/etc/swift/swift.conf"))["swift-hash"]
    assert hashes["swift_hash_path_prefix"] != hashes["swift_hash_path_suffix"]
    assert "changeme" not in "".join(hashes.values())
    shown = repr(its.probes()) + repr(its.desired())
    assert not [
        name for name in ("swift-hash-prefix", "os-swift") if str(its.ctx.secrets.password(name)) in shown
    ]


def test_a_changed_hash_is_checked_before_it_takes_effect(usual: Platform) -> None:
    resource = placed(usual, "c1")["file:/etc/swift/swift.conf"].resource
    assert resource.args["validate"][-2:] == ["hash", "{}"]


def test_the_api_is_behind_the_virtual_ip_and_in_the_catalogue(usual: Platform) -> None:
    its = usual
    offers = Swift().offers(its.ctx.cluster, its.ctx.options["swift"])
    (entry,) = offers.catalogue
    assert (entry.type, entry.port, entry.path) == ("object-store", 8080, "/v1/AUTH_%(project_id)s")
    (clone,) = offers.fragment.resources
    assert isinstance(clone, Clone)
    assert clone.meta["interleave"] == "true" and clone.primitive.params["target"] == CHECK
    assert "bind 10.77.1.103:8080 ssl" in next(
        str(one.resource.args["content"])
        for one in its.desired()
        if one.node == "c1" and one.resource.id == "file:/etc/haproxy/haproxy.cfg"
    )


def test_storage_nodes_that_are_no_controllers_have_no_api(tmp_path: Path) -> None:
    roles = {"c1": ["controller"], "c2": ["controller", "storage"], "c3": ["controller", "storage"]}
    its = store(tmp_path, cluster(roles=roles))
    assert f"unit:{units.SERVERS[0]}" not in placed(its, "c1") and f"unit:{units.SERVERS[0]}" in placed(
        its, "c2"
    )
    assert placed(its, "c2")[f"command:{RINGS_READY}"].stage is Stage.CONFIG, "the first storage node"
    assert "swift-object" not in Swift.packages_on(its.ctx.cluster, "c1")
    assert {"swift-object", "swift-proxy"} <= set(Swift.packages_on(its.ctx.cluster, "c2"))
    request = json.loads(placed(its, "c1")[f"command:{RINGS_READY}"].resource.args["stdin"])
    assert request["keeper"] == "c2" and list(request["peers"]) == ["c2", "c3"] and request["replicas"] == 2


def test_disks_have_to_be_mounted_before_anything_is_written_there(tmp_path: Path) -> None:
    its = store(tmp_path, cluster({"mounted": True, "devices": {"sdb": 4000, "sdc": 4000}}))
    here = placed(its, "c1")
    assert here["directory:/srv/node/sdb"].resource.after == ("command:/srv/node/sdb is mounted",)
    for ring in layout.RINGS:
        assert parsed(text(its, "c1", units.config(ring.name)))["DEFAULT"]["mount_check"] == "true"


@pytest.mark.parametrize("name", [*units.SERVERS, *units.BACKGROUND, units.RSYNC])
def test_units_start_again_for_ever_and_pull_in_nothing(usual: Platform, name: str) -> None:
    lines = text(usual, "c1", f"{units.SYSTEM}/{name}").splitlines()
    assert "Restart=always" in lines and "StartLimitIntervalSec=0" in lines
    assert [line for line in lines if line.startswith(("Wants=", "Requires="))] == [
        "Wants=network-online.target"
    ]
    assert "WantedBy=multi-user.target" in lines
    assert not any(line.startswith("RuntimeDirectory=") for line in lines) or name == units.RSYNC


def test_the_sweep_has_no_deadline_and_one_failure_does_not_end_it(usual: Platform) -> None:
    lines = text(usual, "c1", f"{units.SYSTEM}/{units.SWEEP}").splitlines()
    commands = [line for line in lines if line.startswith("ExecStart=")]
    assert len(commands) == len(units.SWEPT) and all(
        line.startswith("ExecStart=-/usr/bin/swift-") for line in commands
    )
    assert "Type=oneshot" in lines and "TimeoutStartSec=infinity" in lines and "[Install]" not in lines


def test_packaged_units_that_are_not_used_stay_off(usual: Platform) -> None:
    here = placed(usual, "c1")
    assert not set(units.UNUSED) & {*units.SERVERS, *units.BACKGROUND}
    for name in units.UNUSED:
        assert here[f"unit:{name}"].resource.desired == {"file": "disabled", "active": False}


GOOD: dict[str, Any] = {
    "servers": {"account": "", "container": "", "object": ""},
    "rings": {"account": "a", "container": "b", "object": "c"},
    "others": {},
    "replicated_s": {"account": 10.0, "container": 20.0, "object": 31.0},
    "quarantined": 0,
    "pending": 0,
    "missing": [],
    "used": {"d1": 10.0},
    "stopped": [],
    "uptime_s": 5000.0,
}


@pytest.mark.parametrize(
    ("change", "health", "said"),
    [
        ({}, Health.OK, "all replicated 31 s ago"),
        (
            {"servers": {**GOOD["servers"], "object": "Connection refused"}},
            Health.FAILED,
            "object: Connection",
        ),
        ({"missing": ["d1"]}, Health.FAILED, "devices are not there: d1"),
        ({"used": {"d1": 98.5}}, Health.FAILED, "d1 is full"),
        ({"used": {"d1": 90.0}}, Health.DEGRADED, "nearly full: d1 90 %"),
        ({"others": {"c2": ["object"]}}, Health.DEGRADED, "not those of c2 (object)"),
        ({"stopped": ["swift-object-updater.service"]}, Health.DEGRADED, "not running: swift-object-updater"),
        ({"replicated_s": {**GOOD["replicated_s"], "object": 1000.0}}, Health.DEGRADED, "15 minutes: object"),
        ({"replicated_s": {**GOOD["replicated_s"], "object": None}}, Health.DEGRADED, "15 minutes: object"),
        ({"replicated_s": {**GOOD["replicated_s"], "object": None}, "uptime_s": 60.0}, Health.OK, "serves"),
        ({"quarantined": 3}, Health.OK, "3 damaged copies"),
        ({"quarantined": 20}, Health.DEGRADED, "20 damaged copies"),
    ],
)
def test_health_of_a_storage_node(change: dict[str, Any], health: Health, said: str) -> None:
    found = judge_storage({**GOOD, **change}, stale_s=900.0, reserve_percent=2, zones=3)
    assert found.health is health and said in found.text
    assert found.next_step or health is Health.OK


def test_fewer_than_three_zones_are_said() -> None:
    assert "only 2 zones" in judge_storage(GOOD, stale_s=900.0, reserve_percent=2, zones=2).text


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"token": True, "status": 204, "answered": True, "ms": 8}, Health.OK),
        ({"token": True, "status": 503, "answered": False}, Health.FAILED),
        ({"token": True, "status": 0, "answered": False, "error": "refused"}, Health.FAILED),
        ({"token": False, "status": 0, "answered": False, "error": "no token"}, Health.UNKNOWN),
    ],
)
def test_health_of_the_api(state: dict[str, Any], health: Health) -> None:
    found = judge_proxy(state)
    assert found.health is health and (found.next_step or health is Health.OK)


def test_every_option_has_its_row_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "services" / "swift.md").read_text()
    assert not [name for name in SwiftOptions.model_fields if f"`{name}`" not in page]
