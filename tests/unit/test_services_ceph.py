"""Ceph: who is where, what clients may, the configuration, and what is said of real answers."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.service_things import NODES, SPEC, on

from quorate.errors import QuorateError, SpecError
from quorate.home import Home
from quorate.node import ceph as node_ceph
from quorate.node import ceph_cluster
from quorate.secrets import cephx
from quorate.secrets.store import Secrets
from quorate.services.base import Health, Outside, Pool
from quorate.services.clients import storage
from quorate.services.registry import Platform, packages_of, platform
from quorate.services.storage import access, judging, layout
from quorate.spec.model import Cluster

SAID: Mapping[str, Any] = json.loads((Path(__file__).parent / "ceph_said.json").read_text())
"""What a cluster of three said when it was well, nearly full, full, and short of an OSD and a monitor."""
OSDS = {"0": "c1", "1": "c2", "2": "c3"}


def cluster(**nodes: list[str]) -> Cluster:
    """SPEC with Ceph; ``nodes`` beside the controllers, with their roles."""
    more = {
        name: {"roles": roles, "addresses": {"cluster": f"10.77.0.{50 + n}", "api": f"10.77.1.{50 + n}"}}
        for n, (name, roles) in enumerate(nodes.items())
    }
    spec = {**SPEC, "nodes": {**SPEC["nodes"], **more}, "services": {"ceph": {}}}
    return Cluster.model_validate(spec)


def plane(tmp_path: Path, its: Cluster | None = None) -> Platform:
    home = Home(tmp_path / "demo")
    (home.path / "secrets").mkdir(parents=True, exist_ok=True)
    for node in NODES:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    return platform(its or cluster(), home)


def state(name: str, **more: Any) -> dict[str, Any]:
    """What a healthy c1 would report while the cluster is as in the sample ``name``."""
    said = SAID[name]
    here = {"mon": {"state": "leader"}, "mgr": {"answers": True}, "osds": {"0": {"state": "active"}}}
    whole = node_ceph.summary(said["status"], said["health"], said["dump"])
    return {**here, "cluster": whole, **more}


def judged(of: Mapping[str, Any], node: str = "c1") -> Any:
    return judging.judge(of, node=node, mons=NODES, osds=OSDS)


# Who is where.


def test_two_storage_nodes_are_refused_and_three_taken() -> None:
    layout.check(cluster(), {})
    with pytest.raises(SpecError, match="cannot be made") as caught:
        layout.check(cluster(s1=["storage"], s2=["storage"]), {})
    assert "there are 2" in str(caught.value)


def test_devices_of_a_node_that_holds_no_data_are_refused() -> None:
    with pytest.raises(SpecError) as caught:
        layout.check(cluster(n1=["compute"]), {"n1": ("/dev/disk/by-id/a",)})
    assert "osd_devices.n1" in str(caught.value)


def test_of_five_storage_nodes_three_have_a_monitor() -> None:
    its = cluster(**{f"s{n}": ["storage"] for n in range(1, 6)})
    assert list(layout.monitors(its)) == ["s1", "s2", "s3"]


def test_a_number_once_given_stays(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    assert layout.numbers(path, ("c1:0", "c2:0", "c3:0")) == {"c1:0": 0, "c2:0": 1, "c3:0": 2}
    assert layout.numbers(path, ("c3:0",))["c3:0"] == 2
    assert layout.numbers(path, ("c1:0", "c4:0", "c3:0"))["c4:0"] == 3


def test_devices_get_an_osd_each_and_other_nodes_files(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    devices = {"c2": ("/dev/disk/by-id/a", "/dev/disk/by-id/b")}
    found = layout.osds(cluster(), secrets, 1, devices)
    assert [(one.node, one.device) for one in found] == [
        ("c1", ""),
        ("c2", "/dev/disk/by-id/a"),
        ("c2", "/dev/disk/by-id/b"),
        ("c3", ""),
    ]
    assert len({one.number for one in found}) == len({one.uuid for one in found}) == 4
    # The other way round in the file: each device keeps its number and its uuid.
    again = layout.osds(cluster(), secrets, 1, {"c2": tuple(reversed(devices["c2"]))})
    assert {one.device: one for one in found if one.device} == {
        one.device: one for one in again if one.device
    }


# Accounts.


def test_a_key_is_one_that_ceph_reads_and_is_made_once(tmp_path: Path) -> None:
    key = cephx.key(Secrets(tmp_path), "glance")
    kind, seconds, nanoseconds, size = struct.unpack("<HIIH", base64.b64decode(key)[:12])
    assert (kind, seconds, nanoseconds, size) == (1, 0, 0, 16)
    assert len(base64.b64decode(key)) == 12 + 16
    assert cephx.key(Secrets(tmp_path), "glance") == key != cephx.key(Secrets(tmp_path), "nova")
    assert str(key) not in repr(key)


def test_a_client_may_use_its_pools_and_only_read_those_of_others() -> None:
    (nova,) = access.clients((Pool("vms", "nova"), Pool("images", "nova", read_only=True)))
    assert nova.caps["osd"] == "profile rbd-read-only pool=images, profile rbd pool=vms"
    assert nova.caps["mgr"] == "profile rbd pool=vms"
    (reader,) = access.clients((Pool("images", "backup", read_only=True),))
    assert "mgr" not in reader.caps


def test_one_client_with_two_groups_is_refused() -> None:
    with pytest.raises(SpecError, match="accounts"):
        access.clients((Pool("a", "x", owner="glance"), Pool("b", "x", owner="cinder")))


def test_nobody_takes_the_administrators_name() -> None:
    with pytest.raises(SpecError) as caught:
        access.clients((Pool("a", "admin"),))
    assert "admin" in str(caught.value)


def test_a_pool_that_two_want_is_made_once_with_the_larger_size() -> None:
    found = access.pools((Pool("images", "glance", 8), Pool("images", "nova", 32)))
    assert found["images"] == {"pg_num": 32, "application": "rbd"}
    assert set(found) == {"images", access.OWN}


# What is on the nodes.


def test_the_configuration_names_all_monitors_and_the_timers(tmp_path: Path) -> None:
    text = str(on(plane(tmp_path), "c1")["file:/etc/ceph/ceph.conf"].args["content"])
    assert text.count("v2:10.77.0.1") == 3
    lines = {line.partition(" = ")[0]: line.partition(" = ")[2] for line in text.splitlines()}
    assert lines["osd_pool_default_size"] == "3"
    assert lines["osd_pool_default_min_size"] == "2"
    assert lines["osd_heartbeat_grace"] == "3"
    assert lines["mon_lease"] == "1"
    assert lines["crush_location"] == "root=default host=c1"
    assert lines["fsid"] == layout.fsid(Secrets(tmp_path / "demo" / "secrets"))
    assert {"prometheus", "restful"} <= set(lines["mgr_disabled_modules"].split())


def test_a_module_that_is_wanted_can_be_loaded(tmp_path: Path) -> None:
    spec = {**SPEC, "services": {"ceph": {"options": {"manager_modules": ["prometheus"]}}}}
    text = str(
        on(plane(tmp_path, Cluster.model_validate(spec)), "c1")["file:/etc/ceph/ceph.conf"].args["content"]
    )
    (left_out,) = (line for line in text.splitlines() if line.startswith("mgr_disabled_modules"))
    assert "prometheus" not in left_out and "restful" in left_out


def test_an_apply_twice_wants_the_same(tmp_path: Path) -> None:
    first, second = plane(tmp_path).desired(), plane(tmp_path).desired()
    assert first == second


def test_no_secret_is_in_what_is_shown(tmp_path: Path) -> None:
    its = plane(tmp_path)
    key = str(cephx.key(its.ctx.secrets, "admin"))
    carriers = [placed for placed in its.desired() if key in json.dumps(placed.resource.args)]
    assert carriers
    assert all(placed.resource.secret for placed in carriers)


def test_every_osd_is_stopped_before_the_monitor_beside_it(tmp_path: Path) -> None:
    args = on(plane(tmp_path), "c2")["file:/etc/systemd/system/ceph-osd@.service.d/quorate.conf"].args
    assert "After=ceph-mon@c2.service" in str(args["content"])
    assert "StartLimitIntervalSec=0" in str(args["content"])


def test_a_compute_node_has_the_clients_files_and_no_daemon(tmp_path: Path) -> None:
    its = cluster(n1=["compute"])
    found = on(plane(tmp_path, its), "n1")
    assert "file:/etc/ceph/ceph.conf" in found
    assert not any(name.startswith(("unit:ceph-", "ceph_")) for name in found)
    assert "file:/etc/ceph/ceph.client.admin.keyring" not in found
    assert "ceph-osd" in packages_of(its, "c1")
    assert "ceph-osd" not in packages_of(its, "n1")
    assert "python3-rbd" in packages_of(its, "n1")


def test_a_device_is_handed_to_cephs_account_before_each_start(tmp_path: Path) -> None:
    spec = cluster().model_dump(by_alias=True, mode="json", exclude_defaults=True)
    spec["services"] = {"ceph": {"options": {"osd_devices": {"c1": ["/dev/disk/by-id/a"]}}}}
    found = on(plane(tmp_path, Cluster.model_validate(spec)), "c1")
    text = found["file:/etc/systemd/system/ceph-osd@0.service.d/device.conf"].args["content"]
    assert "ExecStartPre=+/bin/chown ceph:ceph /dev/disk/by-id/a" in str(text)
    assert found["ceph_osd:the store of osd.0"].args["device"] == "/dev/disk/by-id/a"


# Verdicts on what a real cluster said.


def test_a_cluster_that_is_well() -> None:
    found = judged(state("ok"))
    assert found.health is Health.OK
    assert found.text == "monitor leader, manager, osd.0 up; 25 groups clean, 0.9 % used"


def test_nearly_full_is_degraded_and_says_how_to_make_room() -> None:
    found = judged(state("near"))
    assert found.health is Health.DEGRADED
    assert "osd.0 is near full" in found.text
    assert "ceph osd unset noout" in found.next_step
    assert "ceph df" in found.next_step


def test_full_is_failed_alike_on_every_node() -> None:
    found = [judged(state("full"), node) for node in NODES]
    assert {one.health for one in found} == {Health.FAILED}
    assert len(set(found)) == 1
    assert "nothing can be written" in found[0].next_step


def test_a_lost_osd_and_monitor_are_named_with_their_node() -> None:
    found = judged(state("down"))
    assert found.health is Health.DEGRADED
    assert found.text == "no monitor in the quorum on c2; down: osd.1 on c2"


def test_on_the_node_itself_its_dead_daemons_are_said() -> None:
    dead = {"mon": {"error": "refused"}, "osds": {"1": {"error": "refused"}}}
    found = judged(state("down", **dead), "c2")
    assert found.health is Health.FAILED
    assert found.text == "its monitor does not answer; osd.1 does not answer"
    assert "ceph-mon@c2" in found.next_step


def test_an_osd_that_was_taken_out_is_no_good_one() -> None:
    seen = state("ok")
    seen["cluster"]["osds"]["0"]["in"] = False
    found = judged(seen)
    assert found.health is Health.FAILED
    assert "osd.0 is out" in found.text


def test_without_monitors_nothing_is_well() -> None:
    found = judged(state("ok", cluster={"error": "timed out"}))
    assert found.health is Health.FAILED
    assert "do not answer" in found.text
    assert "2 of c1, c2, c3" in found.next_step


@pytest.mark.parametrize(
    ("code", "severity", "health"),
    [
        ("SLOW_OPS", "HEALTH_WARN", Health.DEGRADED),
        ("MON_CLOCK_SKEW", "HEALTH_WARN", Health.DEGRADED),
        ("PG_AVAILABILITY", "HEALTH_WARN", Health.FAILED),
        ("SOMETHING_NEW", "HEALTH_ERR", Health.FAILED),
        ("SOMETHING_NEW", "HEALTH_WARN", Health.DEGRADED),
    ],
)
def test_cephs_complaints_become_verdicts_with_a_next_step(code: str, severity: str, health: Health) -> None:
    seen = state("ok")
    seen["cluster"]["checks"][code] = {"severity": severity, "summary": "it says so", "detail": []}
    found = judged(seen)
    assert (found.health, found.text) == (health, "it says so")
    assert found.next_step


@pytest.mark.parametrize(
    ("detail", "said", "not_said"),
    [
        ("pool 'images' is full (running out of quota)", "set-quota images max_bytes", "add OSDs"),
        ("pool 'images' is full (no space)", "add OSDs", "set-quota images"),
    ],
)
def test_a_pool_that_is_full_by_its_quota_needs_no_osds(detail: str, said: str, not_said: str) -> None:
    seen = state("ok")
    check = {"severity": "HEALTH_WARN", "summary": "1 pool(s) full", "detail": [detail]}
    seen["cluster"]["checks"]["POOL_FULL"] = check
    found = judged(seen)
    assert found.health is Health.FAILED and detail in found.text
    assert said in found.next_step and not_said not in found.next_step


def test_a_muted_complaint_is_left_out() -> None:
    said = json.loads(json.dumps(SAID["near"]))
    for check in said["health"]["checks"].values():
        check["muted"] = True
    assert node_ceph.summary(said["status"], said["health"], said["dump"])["checks"] == {}


# What an apply reads.


def test_pools_and_togetherness_are_read_from_what_it_said() -> None:
    wanted = {"images": {"pg_num": 8, "application": "rbd", "size": 3, "min_size": 2}}
    asked = {"pools": {**wanted, "volumes": wanted["images"]}}
    assert ceph_cluster.pools(asked, SAID["ok"]["dump"]) == {"pools": wanted}
    well, short = (ceph_cluster.together({}, SAID[name]["status"]) for name in ("ok", "down"))
    assert well == {"monitors": 3, "managers": 3, "osds": 3, "active": True}
    assert (short["monitors"], short["osds"]) == (2, 2)


def test_a_pool_for_something_else_is_wrong() -> None:
    wanted = {"pg_num": 8, "application": "rbd", "size": 3, "min_size": 2}
    found = ceph_cluster.pools({"pools": {"quorate": wanted}}, SAID["ok"]["dump"])
    assert found["pools"]["quorate"]["application"] == ""


def test_an_account_with_another_key_or_other_capabilities_is_wrong() -> None:
    dump = [
        {"entity": "client.a", "key": "k", "caps": {"mon": "allow r"}},
        {"entity": "client.b", "key": "other", "caps": {}},
    ]
    accounts = {
        "client.a": {"key": "k", "caps": {"mon": "allow *"}},
        "client.b": {"key": "k", "caps": {}},
        "client.c": {"key": "k", "caps": {}},
    }
    told = {"auth_dump": dump}
    found = ceph_cluster.accounts({"accounts": accounts}, told)
    assert found == {"wrong": ["client.a", "client.b", "client.c"]}
    right = {"client.a": {"key": "k", "caps": {"mon": "allow r"}}}
    assert ceph_cluster.accounts({"accounts": right}, told) == {"wrong": []}


# verify.


class Objects:
    """Nodes that keep objects; ``lies`` is one that reads something else."""

    def __init__(self, lies: str = "") -> None:
        self.kept: dict[str, str] = {}
        self.lies = lies

    async def ask(self, node: str, kind: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        assert kind == storage.KIND
        if args["do"] == "write":
            self.kept[args["object"]] = args["text"]
        elif args["do"] == "remove":
            del self.kept[args["object"]]
        elif node == self.lies:
            return {"text": "something else"}
        return {"text": self.kept.get(args["object"], "")}


def outside(tmp_path: Path, objects: Objects | None) -> Outside:
    asking = objects.ask if objects else None
    return Outside(cluster(), Secrets(tmp_path), "/ca", {}, asking)


async def test_verify_reads_on_the_other_nodes_and_leaves_nothing(tmp_path: Path) -> None:
    objects = Objects()
    said = await storage.object_cycle(outside(tmp_path, objects), NODES)
    assert said.startswith("written on c1")
    assert "read on c2, c3" in said
    assert not objects.kept


async def test_verify_names_the_node_that_reads_something_else(tmp_path: Path) -> None:
    objects = Objects(lies="c3")
    with pytest.raises(QuorateError, match="differently") as caught:
        await storage.object_cycle(outside(tmp_path, objects), NODES)
    assert caught.value.where == "c3"
    assert not objects.kept


async def test_verify_without_a_way_in_says_so(tmp_path: Path) -> None:
    with pytest.raises(QuorateError, match="no way to a node"):
        await storage.object_cycle(outside(tmp_path, None), NODES)
