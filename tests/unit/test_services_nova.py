"""Nova: what controllers and computes are told, and what the looks at it mean."""

from __future__ import annotations

import datetime
import importlib.util
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType
from typing import Any

import guest_things
import pytest
from nova_things import nova
from openstack_things import parsed
from service_things import NODES, on, text

from quorate.pacemaker.model import Clone
from quorate.secrets import cephx
from quorate.services import registry
from quorate.services.base import Health
from quorate.services.compute import cells
from quorate.services.compute.health import judge_compute, judge_room, judge_workers
from quorate.services.openstack.settings import common
from quorate.services.registry import Platform
from quorate.services.rendering import TEMPLATES
from quorate.services.storage.guests import secret_uuid
from quorate.spec.model import Cluster

COMPUTES = ("n1", "n2")
CONFIG = {"c1": "/etc/nova/nova.conf", "n1": "/etc/nova/nova-compute.conf"}
APIS = {"nova-api": 8774, "nova-api-metadata": 8775}
WORKERS = ("nova-scheduler", "nova-conductor", "nova-novncproxy")


@pytest.fixture(scope="module")
def its(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return nova(tmp_path_factory.mktemp("nova"))


@pytest.mark.parametrize("node", CONFIG)
def test_every_client_is_bounded(its: Platform, node: str) -> None:
    found = parsed(text(its, node, CONFIG[node]))
    for section in ("placement", "neutron", "glance"):
        assert 0 < int(found[section]["timeout"]) <= 60, section
        assert int(found[section]["connect_retries"]) > 0 and found[section]["cafile"]
    broker = found["oslo_messaging_rabbit"]
    assert int(broker["heartbeat_timeout_threshold"]) <= 20 and broker["rabbit_quorum_queue"] == "true"
    assert "processname" not in broker, "each unit says its own name"
    url = found["DEFAULT"]["transport_url"]
    assert url.count("@") == 3 and "127.0.0.1" not in url, "every broker by itself, not through HAProxy"
    assert int(found["DEFAULT"]["rpc_response_timeout"]) <= 30
    down, report = (int(found["DEFAULT"][key]) for key in ("service_down_time", "report_interval"))
    assert down >= 3 * report


def test_a_compute_knows_no_database_and_is_told_nothing_of_the_controllers(its: Platform) -> None:
    found = parsed(text(its, "n1", CONFIG["n1"]))
    assert not {"database", "api_database", "keystone_authtoken"} & set(found.sections())
    assert "file:/etc/nova/nova.conf" not in on(its, "n1")
    shown = text(its, "n1", CONFIG["n1"])
    for name in ("db-nova", "db-nova_api", "metadata-proxy", "keystone-admin"):
        assert str(its.ctx.secrets.password(name)) not in shown


def test_a_node_may_be_controller_and_compute(tmp_path: Path) -> None:
    nodes: dict[str, Any] = {
        name: {**node, "roles": ["controller", "compute"]} for name, node in guest_things.CONTROLLERS.items()
    }
    its = nova(tmp_path, nodes)
    everything = on(its, "c1")
    assert {f"file:{path}" for path in CONFIG.values()} <= set(everything)
    for placed in its.desired():
        if placed.node == "c1":
            assert everything[placed.resource.id] == placed.resource, placed.resource.id


@pytest.mark.parametrize("name", APIS)
def test_an_api_never_listens_on_every_address(its: Platform, name: str) -> None:
    ini = text(its, "c2", f"/etc/nova/quorate-{name}-uwsgi.ini").splitlines()
    sockets = [line.split("=")[1].strip() for line in ini if line.startswith("http-socket")]
    assert sockets == [f"10.77.0.12:{APIS[name]}", f"127.0.0.1:{APIS[name]}"]
    assert "threads = 1" in ini or "env = OS_NOVA_DISABLE_EVENTLET_PATCHING=yes" in ini


@pytest.mark.parametrize(
    ("node", "name"), [*(("c1", name) for name in (*APIS, *WORKERS)), ("n1", "nova-compute")]
)
def test_its_units_pull_in_nothing_and_do_not_start_by_themselves(
    its: Platform, node: str, name: str
) -> None:
    unit = text(its, node, f"/etc/systemd/system/{name}.service")
    wanted = [line for line in unit.splitlines() if line.startswith(("Wants=", "Requires="))]
    assert wanted == ["Wants=network-online.target"] and "[Install]" not in unit
    assert f"PROCESSNAME={name}" in unit, "two processes of one name take each other's queues"
    assert ("NoNewPrivileges" in unit) is (name != "nova-compute"), "nova-compute has to become root"


def test_pacemaker_runs_each_where_it_belongs(its: Platform) -> None:
    clones = {
        resource.primitive.params["unit"]: resource
        for fragment in its.ctx.fragments
        for resource in fragment.resources
        if isinstance(resource, Clone) and resource.primitive.params.get("unit", "").startswith("nova-")
    }
    assert set(clones) == {f"{name}.service" for name in (*APIS, *WORKERS, "nova-compute")}
    assert clones["nova-compute.service"].nodes == COMPUTES
    assert all(not clone.nodes for unit, clone in clones.items() if unit != "nova-compute.service")
    for clone in clones.values():
        assert clone.primitive.meta["requires"] == "quorum"
        monitor = next(one for one in clone.primitive.operations if one.name == "monitor")
        assert monitor.timeout_s > int(clone.primitive.params["deadline"]) + 20
    check = clones["nova-compute.service"].primitive.params["target"].split()
    assert check[-4:] == [
        "/usr/local/lib/quorate/worker-alive.py",
        CONFIG["n1"],
        "https://10.77.1.107:8774/v2.1/os-services",
        "nova-compute",
    ]
    assert f"file:{check[-4]}" in on(its, "n1")


def test_the_console_is_asked_where_it_listens(its: Platform) -> None:
    for node in NODES:
        address = its.ctx.cluster.address(node)
        assert f"http://{address}:6080/" in text(its, node, "/usr/local/lib/quorate/nova-console-answers")
        assert parsed(text(its, node, CONFIG["c1"]))["vnc"]["novncproxy_host"] == address


def test_the_cells_are_written_as_they_are_read(its: Platform) -> None:
    found = {one.name: one for one in cells.bootstrap(common(its.ctx), ("n2", "n1"), timeout_s=20)}
    wanted = found["Nova's cells"].desired["rows"]
    assert [row[1] for row in wanted] == ["cell0", "cell1"]
    assert wanted[0][0] == cells.CELL0 and wanted[0][2] == "none:///"
    assert "/nova_cell0?" in wanted[0][3] and "/nova?" in wanted[1][3]
    for row, statement in zip(wanted, found["Nova's cells"].args["statements"], strict=True):
        assert ";" not in statement and all(f"'{value}'" in statement for value in row)
    hosts = found["Nova's computes"]
    assert hosts.desired["rows"] == [["n1", cells.CELL1], ["n2", cells.CELL1]]
    assert found["nova"].after == ("schema:nova_cell0",), "one migration at a time"


def test_libvirt_has_the_key_by_the_id_that_nova_says(its: Platform) -> None:
    said = parsed(text(its, "n2", CONFIG["n1"]))["libvirt"]
    path = f"/etc/libvirt/secrets/{said['rbd_secret_uuid']}"
    assert said["rbd_secret_uuid"] == secret_uuid(its.ctx.secrets, said["rbd_user"])
    secret = ET.fromstring(text(its, "n2", f"{path}.xml"))
    assert secret.findtext("uuid") == said["rbd_secret_uuid"] and secret.get("ephemeral") == "no"
    value = on(its, "n2")[f"file:{path}.base64"]
    assert value.args["content"] == cephx.key(its.ctx.secrets, "nova")
    assert value.secret and value.desired["mode"] == "0600"
    assert f"{path}.base64" in on(its, "n2")["unit:libvirtd.service"].args["restart_on"]


def test_only_the_clusters_network_reaches_libvirt_and_each_host_has_its_own_name(its: Platform) -> None:
    sockets = {
        node: text(its, node, "/etc/systemd/system/libvirtd-tcp.socket.d/quorate.conf") for node in COMPUTES
    }
    assert "ListenStream=\nListenStream=10.77.0.21:16509\n" in sockets["n1"]
    assert parsed(text(its, "n1", CONFIG["n1"]))["libvirt"]["live_migration_inbound_addr"] == "10.77.0.21"
    names = {text(its, node, "/etc/libvirt/libvirtd.conf") for node in COMPUTES}
    names |= {text(its, node, "/var/lib/nova/compute_id") for node in COMPUTES}
    assert len(names) == 4


def test_each_node_has_the_packages_of_its_part() -> None:
    services = {"nova": {"vip": "10.77.1.107"}, "nova-compute": {}}
    cluster = Cluster.model_validate({**guest_things.SPEC, "services": services})
    found = {node: set(registry.packages_of(cluster, node)) for node in cluster.nodes}
    assert {node for node, packages in found.items() if "nova-conductor" in packages} == set(NODES)
    assert {node for node, packages in found.items() if "nova-compute-kvm" in packages} == set(COMPUTES)


def test_secrets_are_in_private_files_only(its: Platform) -> None:
    shown = repr(its.probes()) + repr(its.desired()) + repr(its.ctx) + repr(its.ctx.fragments)
    for name in ("os-nova", "db-nova", "mq-nova", "metadata-proxy"):
        assert str(its.ctx.secrets.password(name)) not in shown
    for node, path in CONFIG.items():
        assert on(its, node)[f"file:{path}"].secret


def stand_in(folder: Path, name: str, body: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("virsh", "asked", "started"),
    [
        ("exit 0", "auto", "kvm"),
        ("case $* in *domcapabilities*) exit 1 ;; esac", "auto", "qemu"),
        ("exit 1", "auto", ""),
        ("exit 1", "qemu", "qemu"),
    ],
)
def test_who_runs_guests_is_what_the_host_can(tmp_path: Path, virsh: str, asked: str, started: str) -> None:
    stand_in(tmp_path, "virsh", virsh)
    stand_in(tmp_path, "nova-compute", 'echo "$@"')
    source = (TEMPLATES / "nova/nova-compute").read_text()
    assert "exec /usr/bin/nova-compute " in source
    program = tmp_path / "start"
    program.write_text(source.replace("/usr/bin/nova-compute", str(tmp_path / "nova-compute")))
    done = subprocess.run(
        ["sh", str(program), "/etc/nova", "/c", asked],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if started:
        last = done.stdout.splitlines()[-1]
        assert last == f"--config-file /c --config-file /etc/nova/quorate-virt-{started}.conf"
    else:
        assert done.returncode == 1 and "libvirt does not answer" in done.stderr


@pytest.fixture(scope="module")
def alive() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alive", TEMPLATES / "openstack/worker-alive.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NOW = datetime.datetime(2026, 11, 22, 12, 0, 0)


def service(binary: str, host: str, state: str, updated_at: str | None = None) -> dict[str, Any]:
    return {"binary": binary, "host": host, "state": state, "updated_at": updated_at}


LIVES = service("nova-conductor", "c1", "up")
LONG_AGO, JUST_NOW = "2026-11-22T11:58:00.000000", "2026-11-22T11:59:30.000000"


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([LIVES, service("nova-compute", "n1", "up")], 0),
        ([LIVES, service("nova-compute", "n1", "down", LONG_AGO)], 1),
        ([LIVES, service("nova-compute", "n1", "down", JUST_NOW)], 0),
        ([LIVES, service("nova-compute", "n1", "down")], 1),
        ([LIVES, service("nova-compute", "n2", "up")], 1),
        ([service("nova-compute", "n1", "down", LONG_AGO)], 0),
        ([service("nova-conductor", "c1", "down"), service("nova-compute", "n1", "down", LONG_AGO)], 0),
    ],
)
def test_nova_compute_is_restarted_for_its_own_silence_only(
    alive: ModuleType, found: list[dict[str, Any]], code: int
) -> None:
    assert alive.verdict(found, "nova-compute", "n1", NOW)[0] == code


def test_a_nova_that_does_not_answer_restarts_no_compute(
    alive: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any) -> list[dict[str, Any]]:
        raise OSError("connection refused")

    config = tmp_path / "nova.conf"
    config.write_text("[DEFAULT]\nhost = n1\n[service_user]\nusername = nova\n")
    monkeypatch.setattr(alive, "services", refused)
    assert alive.main(str(config), "https://nowhere", "nova-compute") == 0
    assert "connection refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "health", "said"),
    [
        ([["nova-conductor", "3"], ["nova-scheduler", "5"]], Health.OK, "5 s ago"),
        (
            [["nova-conductor", "3"], ["nova-scheduler", "21"]],
            Health.FAILED,
            "nova-scheduler silent for 21 s",
        ),
        ([["nova-scheduler", "1"]], Health.FAILED, "nova-conductor never seen"),
        ([], Health.FAILED, "nova-scheduler never seen"),
    ],
)
def test_workers_are_judged_by_their_signs_of_life(rows: list[list[str]], health: Health, said: str) -> None:
    found = judge_workers({"rows": rows}, down_s=20)
    assert found.health is health and said in found.text
    assert bool(found.next_step) is (health is not Health.OK)


FIT: dict[str, Any] = {
    "hypervisor": "", "guests": 1, "error": "", "state": "up", "status": "enabled", "reason": "",
    "updated_at": "2026-11-22T12:00:00", "inventory": True, "forced_down": False, "node": "n1",
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "health", "said"),
    [
        ({}, Health.OK, "1 guest running"),
        ({"hypervisor": "virsh did not end within 4 s"}, Health.FAILED, "libvirt does not answer"),
        ({"error": "timed out"}, Health.UNKNOWN, "timed out"),
        ({"state": ""}, Health.FAILED, "never heard"),
        ({"state": "down"}, Health.FAILED, "no sign of life since 2026"),
        ({"inventory": False}, Health.FAILED, "Placement has no inventory"),
        ({"state": "down", "forced_down": True}, Health.FAILED, "somebody told Nova that it is down"),
        ({"status": "disabled", "reason": "disk"}, Health.DEGRADED, "an operator disabled it (disk)"),
        ({"status": "disabled"}, Health.DEGRADED, "an operator disabled it (no reason given)"),
        (
            {"status": "disabled", "reason": "AUTO: Connection to libvirt lost: 1"},
            Health.DEGRADED,
            "disabled itself (AUTO: Connection to libvirt lost: 1)",
        ),
    ],
)
def test_a_compute_is_judged_by_whether_a_server_could_be_put_there(
    wrong: dict[str, Any], health: Health, said: str
) -> None:
    found = judge_compute({**FIT, **wrong})
    assert found.health is health and said in found.text
    assert bool(found.next_step) is (health is not Health.OK)


ROOM: dict[str, Any] = {"error": "", "free": {"MEMORY_MB": 22953}, "needs": {"MEMORY_MB": 128}, "strays": []}


@pytest.mark.parametrize(
    ("wrong", "health", "said"),
    [
        ({}, Health.OK, "22953 MiB of memory free"),
        ({"free": {"MEMORY_MB": -64}}, Health.OK, "0 MiB of memory free"),
        ({"free": {}}, Health.OK, ""),
        ({"error": "timed out"}, Health.UNKNOWN, "timed out"),
        ({"strays": ["5e1f"]}, Health.DEGRADED, "keeps room for 5e1f, which is no server of Nova's"),
        ({"strays": ["5e1f", "6e1f"]}, Health.DEGRADED, "keeps room for 2 that are no servers of Nova's"),
    ],
)
def test_nova_and_placement_have_to_agree_who_takes_room(
    wrong: dict[str, Any], health: Health, said: str
) -> None:
    found = judge_room({**ROOM, **wrong})
    assert found.health is health and said in found.text
    assert bool(found.next_step) is (health is not Health.OK)


def test_the_smallest_flavor_is_what_has_to_fit(tmp_path: Path) -> None:
    probes = [probe for probe in nova(tmp_path).probes() if probe.kind == "nova_room"]
    assert [probe.node for probe in probes] == list(COMPUTES)
    assert probes[0].args["needs"] == {"VCPU": 1, "MEMORY_MB": 128, "DISK_GB": 1}
