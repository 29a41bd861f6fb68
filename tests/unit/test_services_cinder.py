"""Cinder: what its programs are told, what Pacemaker is asked for in both modes, and what the looks mean."""

from __future__ import annotations

import configparser
import datetime
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from openstack_things import cloud, parsed
from service_things import NODES, on, text

from quorate.errors import SpecError
from quorate.node import cinder, cinder_ready, openstack, tools
from quorate.pacemaker.model import Clone
from quorate.resources.base import Stage
from quorate.services.base import Health
from quorate.services.registry import Platform
from quorate.services.rendering import TEMPLATES
from quorate.services.storage.guests import secret_uuid
from quorate.services.volumes import health

VIP = "10.77.1.109"
CONFIG = "/etc/cinder/cinder.conf"
WORKERS = ("cinder-scheduler", "cinder-volume", "cinder-backup")


def volumes(folder: Path, worker: dict[str, Any] | None = None, **services: dict[str, Any]) -> Platform:
    """A platform with Cinder; ``services`` besides, ``worker`` is said of cinder-volume."""
    every = {"glance": {}, "cinder": {"vip": VIP}, "etcd": {}, **services}
    every = {name: said for name, said in every.items() if said.get("enabled", True)}
    return cloud(folder, **{"cinder-volume": worker or {}}, **every)


@pytest.fixture(scope="module")
def its(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return volumes(tmp_path_factory.mktemp("cinder"))


def clones(platform: Platform) -> dict[str, Clone]:
    return {
        one.primitive.id: one
        for fragment in platform.ctx.fragments
        for one in fragment.resources
        if isinstance(one, Clone)
    }


def test_every_client_is_bounded(its: Platform) -> None:
    found = parsed(text(its, "c2", CONFIG))
    assert int(found["DEFAULT"]["glance_request_timeout"]) <= 60
    assert int(found["nova"]["timeout"]) <= 60
    assert int(found["rbd"]["rados_connect_timeout"]) <= 60, "librados waits for five minutes by default"
    assert "read_timeout=20" in found["database"]["connection"]
    assert int(found["oslo_messaging_rabbit"]["heartbeat_timeout_threshold"]) <= 20
    down, report = (int(found["DEFAULT"][key]) for key in ("service_down_time", "report_interval"))
    assert down >= 3 * report


def test_signs_of_life_keep_a_lock_even_when_one_of_them_is_lost(its: Platform) -> None:
    url = urlsplit(parsed(text(its, "c1", CONFIG))["coordination"]["backend_url"])
    assert (url.scheme, url.netloc) == ("etcd3+https", "127.0.0.1:2379"), "HAProxy leads to a good member"
    said = {key: values[0] for key, values in parse_qs(url.query).items()}
    lock, request = int(said["lock_timeout"]), int(said["timeout"])
    # Tooz sends one after half of the lock's life, and one that failed again a second later.
    assert lock / 2 + request + 1 + request < lock + 3 and lock / 2 + request + 1 < lock
    for key in ("ca_cert", "cert_cert", "cert_key"):
        assert f"file:{said[key]}" in on(its, "c1")
    key = on(its, "c1")[f"file:{said['cert_key']}"]
    assert (key.desired["mode"], key.desired["group"], key.secret) == ("0640", "cinder", True)


def test_active_active_workers_share_a_name_and_are_told_apart_by_their_own(its: Platform) -> None:
    found = {node: parsed(text(its, node, CONFIG)) for node in NODES}
    assert {one["DEFAULT"]["cluster"] for one in found.values()} == {"demo"}
    assert [one["DEFAULT"]["host"] for one in found.values()] == list(NODES)
    assert "backend_host" not in found["c1"]["rbd"]


def test_active_active_needs_common_locks(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="without etcd"):
        volumes(tmp_path, etcd={"enabled": False})


def test_active_passive_is_one_worker_behind_fencing_without_etcd(tmp_path: Path) -> None:
    alone = volumes(tmp_path, {"mode": "active/passive"}, etcd={"enabled": False})
    found = {node: parsed(text(alone, node, CONFIG)) for node in NODES}
    assert {one["rbd"]["backend_host"] for one in found.values()} == {"demo"}
    assert "cluster" not in found["c1"]["DEFAULT"] and "coordination" not in found["c1"]
    worker = clones(alone)["cinder-volume"]
    assert worker.meta["clone-max"] == "1"
    assert worker.primitive.meta["requires"] == "fencing"
    assert worker.held


def test_active_active_needs_quorum_and_nobodys_fencing(its: Platform) -> None:
    worker = clones(its)["cinder-volume"]
    assert "clone-max" not in worker.meta
    assert worker.primitive.meta["requires"] == "quorum"


def test_nothing_of_it_starts_before_its_schema_is_there(its: Platform) -> None:
    assert all(clones(its)[name].held for name in ("cinder-api", *WORKERS))
    tables = next(placed for placed in its.desired() if placed.resource.id == "schema:cinder")
    assert tables.stage is Stage.BOOTSTRAP


def test_units_pull_nothing_in_and_tgt_cannot_start(its: Platform) -> None:
    there = on(its, "c1")
    for name in ("cinder-api", *WORKERS):
        unit = text(its, "c1", f"/etc/systemd/system/{name}.service")
        assert "mysql" not in unit and "tgt" not in unit
        assert there[f"unit:{name}.service"].desired["file"] == "disabled", "Pacemaker starts it"
    assert there["unit:tgt.service"].desired == {"file": "masked"}
    hardened = {
        name: "NoNewPrivileges" in text(its, "c1", f"/etc/systemd/system/{name}.service") for name in WORKERS
    }
    # Volume and backup become root by sudo, to look into images.
    assert hardened == {"cinder-scheduler": True, "cinder-volume": False, "cinder-backup": False}


def test_the_storage_key_that_libvirt_has_is_the_one_that_cinder_names(its: Platform) -> None:
    found = parsed(text(its, "c1", CONFIG))["rbd"]
    assert found["rbd_secret_uuid"] == secret_uuid(its.ctx.secrets, found["rbd_user"])
    pools = {(pool.name, pool.client): pool for pool in its.ctx.pools}
    assert pools["images", "cinder"].read_only and not pools["volumes", "cinder"].read_only
    assert "file:/etc/ceph/ceph.client.cinder.keyring" in on(its, "c1")


def test_backups_go_where_they_are_wanted(tmp_path: Path) -> None:
    ceph = volumes(tmp_path / "ceph")
    assert parsed(text(ceph, "c1", CONFIG))["DEFAULT"]["backup_ceph_pool"] == "backups"
    assert any(pool.name == "backups" and pool.client == "cinder-backup" for pool in ceph.ctx.pools)
    swift = volumes(tmp_path / "swift", cinder={"vip": VIP, "options": {"backup": "swift"}})
    found = parsed(text(swift, "c1", CONFIG))["DEFAULT"]
    assert found["backup_driver"].endswith("SwiftBackupDriver") and found["backup_swift_ca_cert_file"]
    assert not any(pool.name == "backups" for pool in swift.ctx.pools)
    none = volumes(tmp_path / "none", cinder={"vip": VIP, "options": {"backup": "none"}})
    assert "cinder-backup" not in clones(none)
    assert "unit:cinder-backup.service" not in on(none, "c1")


# What the looks find


def worker(**said: Any) -> dict[str, Any]:
    one = {"binary": "cinder-volume", "host": "c1@rbd", "state": "up", "status": "enabled", "reason": ""}
    return {**one, "updated_at": "2026-11-22T18:00:00.000000", **said}


def seen(**said: Any) -> dict[str, Any]:
    pool = {"name": "demo@rbd#rbd", "free": 9.0, "total": 10.0, "state": "up"}
    connected = {"cinder-volume.service": True}
    return {"error": "", "services": [worker()], "pools": [pool], "connected": connected, **said}


def pool(free: float, state: str = "up") -> list[dict[str, Any]]:
    return [{"name": "demo@rbd#rbd", "free": free, "total": 10.0, "state": state}]


@pytest.mark.parametrize(
    ("said", "verdict", "words"),
    [
        ({}, Health.OK, "9.0 of 10.0 GiB free"),
        ({"error": "timed out"}, Health.UNKNOWN, "timed out"),
        ({"services": []}, Health.FAILED, "never heard"),
        ({"services": [worker(state="down")]}, Health.FAILED, "no sign of life since 2026"),
        ({"connected": {"cinder-volume.service": False}}, Health.FAILED, "no connection to a message broker"),
        ({"connected": {"cinder-volume.service": None}}, Health.OK, "takes work"),
        ({"services": [worker(status="disabled", reason="disk")]}, Health.DEGRADED, "disk"),
        ({"pools": []}, Health.DEGRADED, "no volume can be made"),
        ({"pools": pool(5, "down")}, Health.FAILED, "storage does not answer"),
        ({"pools": pool(1.2)}, Health.DEGRADED, "nearly full"),
        ({"pools": pool(0.3)}, Health.FAILED, "full"),
    ],
)
def test_what_a_look_at_the_worker_means(said: dict[str, Any], verdict: Health, words: str) -> None:
    judgement = health.judge_worker(seen(**said), binary="cinder-volume", host="c1@rbd", backend="rbd")
    assert judgement.health is verdict
    assert words in judgement.text
    assert bool(judgement.next_step) is (verdict is not Health.OK)


def test_each_of_a_controllers_workers_counts() -> None:
    hosts = {"cinder-scheduler": "c1", "cinder-backup": "c1"}
    both = [worker(binary=name, host=host) for name, host in hosts.items()]
    state = seen(services=both, connected={"cinder-scheduler.service": True, "cinder-backup.service": True})
    assert health.judge_control(state, hosts=hosts).health is Health.OK
    both[1]["state"] = "down"
    assert "cinder-backup" in health.judge_control(state, hosts=hosts).text


def test_what_is_stuck_is_named_with_what_to_do() -> None:
    assert health.judge_stuck({"rows": []}).health is Health.OK
    rows = [["volume", "1234", "creating", "1800"], ["snapshot", "5678", "deleting", "1000"]]
    judgement = health.judge_stuck({"rows": rows})
    assert judgement.health is Health.DEGRADED
    assert "1234 has been creating for 30 min, and 1 more" in judgement.text
    assert "1234" in judgement.next_step
    assert "deleted = 0" in health.stuck() and "FROM snapshots" in health.stuck()


# The node's half

SERVICES = {
    "services": [
        {"binary": "cinder-volume", "host": "c1@rbd", "state": "up", "status": "enabled", "updated_at": None}
    ]
}
POOLS = {
    "pools": [
        {
            "name": "demo@rbd#rbd",
            "capabilities": {"free_capacity_gb": 3.5, "total_capacity_gb": "unknown", "backend_state": "up"},
        }
    ]
}
ARGS: dict[str, Any] = {
    "url": "http://c1/v3", "access": {}, "timeout_s": 1, "units": ["cinder-volume.service"], "pools": True,
    "binary": "cinder-volume", "host": "c1@rbd",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    urls: list[str] = []

    def ask(url: str, **_: Any) -> openstack.Answer:
        urls.append(url)
        return openstack.Answer(200, {}, dict(SERVICES if "os-services" in url else POOLS))

    monkeypatch.setattr(openstack, "token", lambda access, refused="": "t")
    monkeypatch.setattr(openstack, "ask", ask)
    monkeypatch.setattr(cinder, "connected", lambda unit: True)
    return urls


def test_a_look_asks_cinder_and_for_connections(asked: list[str]) -> None:
    state = cinder.look(ARGS)
    assert state["error"] == ""
    assert state["services"][0]["updated_at"] == ""
    assert state["pools"] == [{"name": "demo@rbd#rbd", "free": 3.5, "total": 0.0, "state": "up"}]
    assert state["connected"] == {"cinder-volume.service": True}
    assert len(asked) == 2
    cinder.look({**ARGS, "pools": False})
    assert not any("get_pools" in url for url in asked[2:])


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (tools.Done(0, "", ""), True),
        (tools.Done(1, "no process of x.service has a connection to port 5672\n", ""), False),
        (tools.Done(1, "x.service has no process\n", ""), None),
    ],
)
def test_a_worker_that_does_not_run_here_is_no_worker_without_a_broker(
    monkeypatch: pytest.MonkeyPatch, done: tools.Done, found: bool | None
) -> None:
    monkeypatch.setattr(tools, "run", lambda *_, **__: done)
    assert cinder.connected("x.service") is found


def test_cinder_that_does_not_answer_is_told(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(url: str, **_: Any) -> openstack.Answer:
        raise TimeoutError("timed out")

    monkeypatch.setattr(openstack, "ask", ask)
    assert cinder.look(ARGS)["error"] == "Cinder cannot be asked: timed out"
    monkeypatch.setattr(openstack, "ask", lambda url, **_: openstack.Answer(503, {}, {}))
    assert "503" in cinder.look(ARGS)["error"]


def test_ready_is_who_lives_and_has_reported_its_storage(asked: list[str]) -> None:
    wanted = {"up": True, "reported": True}
    assert not tools.differing(wanted, cinder_ready.look(ARGS))
    assert tools.differing(wanted, cinder_ready.look({**ARGS, "host": "c2@lvm"})) == ["up", "reported"]
    with pytest.raises(tools.Failed, match="no volume"):
        cinder_ready.fix({**ARGS, "host": "c2@rbd", "wait_s": 0.1}, wanted, ["up"])


# What Pacemaker asks


@pytest.fixture(scope="module")
def alive() -> ModuleType:
    spec = importlib.util.spec_from_file_location("worker_alive", TEMPLATES / "openstack/worker-alive.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NOW = datetime.datetime(2026, 11, 22, 18, 2)
OTHER = worker(host="c2@rbd")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([worker(), OTHER], 0),
        ([worker(state="down"), OTHER], 1),
        ([worker(state="down", updated_at="2026-11-22T18:01:30.000000"), OTHER], 0),
        ([worker(state="down"), worker(host="c2@rbd", state="down")], 0),
        ([OTHER], 1),
        ([], 0),
    ],
)
def test_who_is_silent_while_others_are_heard_is_restarted(
    alive: ModuleType, found: list[dict[str, Any]], code: int
) -> None:
    assert alive.verdict(found, "cinder-volume", "c1@rbd", NOW)[0] == code


def test_it_knows_what_its_worker_is_called(alive: ModuleType, its: Platform, tmp_path: Path) -> None:
    def names(platform: Platform) -> tuple[str, str]:
        config = configparser.RawConfigParser(strict=False)
        config.read_string(text(platform, "c2", CONFIG))
        return alive.called(config, "cinder-volume"), alive.called(config, "cinder-scheduler")

    assert names(its) == ("c2@rbd", "c2")
    alone = volumes(tmp_path, {"mode": "active/passive"})
    assert names(alone) == ("demo@rbd", "c2")


def test_a_worker_without_a_broker_is_restarted_and_one_that_cannot_be_asked_for_is_not(
    alive: ModuleType, its: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cinder.conf"
    path.write_text(text(its, "c1", CONFIG))

    def nobody(*_: Any) -> Any:
        raise OSError("no route")

    monkeypatch.setattr(alive, "services", nobody)
    monkeypatch.setattr(alive, "connected", lambda binary: False)
    assert alive.main(str(path), "https://x", "cinder-volume", "broker") == 1
    monkeypatch.setattr(alive, "connected", lambda binary: True)
    assert alive.main(str(path), "https://x", "cinder-volume", "broker") == 0
