"""What OpenStack's services share, and Placement and Glance on top of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from openstack_things import CLOUD_VIPS, cloud, parsed
from service_things import NODES, on, text

from quorate.errors import SpecError
from quorate.node.schema import last_of
from quorate.pacemaker.model import Clone
from quorate.pacemaker.unit import daemon_clone
from quorate.services.base import Health
from quorate.services.openstack.health import judge
from quorate.services.openstack.settings import common, endpoint
from quorate.services.openstack.units import PYTHON, TURN, Api, daemon
from quorate.services.registry import Platform
from quorate.services.rendering import TEMPLATES

APIS = {
    "placement": ("placement-api", "/etc/placement/placement.conf", "placement_database", 8778),
    "glance": ("glance-api", "/etc/glance/glance-api.conf", "database", 9292),
}


@pytest.fixture(scope="module")
def its(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return cloud(tmp_path_factory.mktemp("cloud"), placement={}, glance={})


@pytest.mark.parametrize("service", APIS)
def test_every_client_is_bounded(its: Platform, service: str) -> None:
    _, path, section, _ = APIS[service]
    found = parsed(text(its, "c2", path))
    url = found[section]["connection"]
    assert url.startswith(
        f"mysql+pymysql://{service}:{its.ctx.secrets.password(f'db-{service}')}@127.0.0.1:3306/"
    )
    assert "connect_timeout=2" in url and "read_timeout=20" in url and "write_timeout=20" in url
    assert found[section]["max_retries"] == "-1" and int(found[section]["connection_recycle_time"]) < 300
    token = found["keystone_authtoken"]
    assert int(token["http_connect_timeout"]) <= 10 and int(token["http_request_max_retries"]) > 0
    assert int(token["memcache_pool_socket_timeout"]) == 1, (
        "an integer: a fraction keeps the service from starting"
    )
    assert int(token["memcache_pool_dead_retry"]) <= 30
    assert token["cafile"] and token["auth_url"].startswith("https://")
    assert token["username"] == service and token["password"] == its.ctx.secrets.password(f"os-{service}")
    assert found["oslo_middleware"]["enable_proxy_headers_parsing"] == "true"


@pytest.mark.parametrize("service", APIS)
@pytest.mark.parametrize("node", NODES)
def test_an_api_never_listens_on_every_address_and_its_unit_pulls_in_nothing(
    its: Platform, service: str, node: str
) -> None:
    name, _, _, port = APIS[service]
    ini = text(its, node, f"/etc/{service}/quorate-{name}-uwsgi.ini").splitlines()
    sockets = [line.split("=")[1].strip() for line in ini if line.startswith("http-socket")]
    assert sockets == [f"{its.ctx.cluster.address(node)}:{port}", f"127.0.0.1:{port}"]
    unit = text(its, node, f"/etc/systemd/system/{name}.service")
    wanted = [line for line in unit.splitlines() if line.startswith(("Wants=", "Requires="))]
    assert wanted == ["Wants=network-online.target"] and "[Install]" not in unit
    assert "Restart=always" in unit and "StartLimitIntervalSec=0" in unit


@pytest.mark.parametrize("service", APIS)
def test_its_secrets_are_in_private_files_only(its: Platform, service: str) -> None:
    config = on(its, "c1")[f"file:{APIS[service][1]}"]
    assert config.secret and config.desired["mode"] == "0640" and config.desired["group"] == service
    shown = repr(its.probes()) + repr(its.desired()) + repr(its.ctx)
    for name in (f"os-{service}", f"db-{service}", "memcache-key"):
        assert its.ctx.secrets.password(name) not in shown


def test_accounts_and_catalogue_are_one_look_on_one_node(its: Platform) -> None:
    name = "identity:accounts and catalogue of the services"
    resource = on(its, "c1")[name]
    assert not [node for node in ("c2", "c3") if name in on(its, node)]
    assert resource.secret and resource.after == ("command:keystone: account admin and catalogue",)
    accounts = {account["name"]: account for account in resource.args["accounts"]}
    assert accounts["glance"]["roles"] == ["admin", "service"]
    assert accounts["glance"]["password"] == its.ctx.secrets.password("os-glance")
    entries = {entry["type"]: entry for entry in resource.args["entries"]}
    assert entries["image"]["url"] == f"https://{CLOUD_VIPS['glance']}:9292"
    assert entries["placement"]["url"] == f"https://{CLOUD_VIPS['placement']}:8778"


def test_without_such_services_keystone_has_nothing_to_look_for(tmp_path: Path) -> None:
    assert not [name for name in on(cloud(tmp_path), "c1") if name.startswith("identity:")]


def test_a_front_end_that_is_not_there_has_no_url(its: Platform) -> None:
    assert endpoint(its.ctx, "keystone") == "https://10.77.1.102:5000"
    with pytest.raises(KeyError):
        endpoint(its.ctx, "nova")
    with pytest.raises(KeyError):
        endpoint(its.ctx, "keystone", 1)


def test_images_need_the_storage_cluster(tmp_path: Path) -> None:
    from quorate.services.glance import Glance

    assert "ceph" in Glance.needs
    its = cloud(tmp_path, glance={})
    (pool,) = its.ctx.pools
    assert (pool.name, pool.client, pool.owner) == ("images", "glance", "glance")
    found = parsed(text(its, "c3", APIS["glance"][1]))
    assert found["DEFAULT"]["enabled_backends"] == "rbd:rbd"
    assert found["rbd"]["rbd_store_pool"] == "images" and found["rbd"]["rbd_store_user"] == "glance"
    assert int(found["rbd"]["rados_connect_timeout"]) > 0, "no operation of the storage waits for ever"
    assert found["DEFAULT"]["worker_self_reference_url"] == "http://10.77.0.13:9292"
    assert found["paste_deploy"]["flavor"] == "keystone", "no cache of images on the nodes"


def test_a_long_transfer_is_not_cut_and_a_stuck_request_is(its: Platform) -> None:
    glance = text(its, "c1", "/etc/glance/quorate-glance-api-uwsgi.ini")
    placement = text(its, "c1", "/etc/placement/quorate-placement-api-uwsgi.ini")
    assert "harakiri" not in glance and "socket-timeout = 60" in glance
    assert "harakiri = 60" in placement


def test_an_option_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        cloud(tmp_path, glance={"options": {"threads": 1}})
    assert "services.glance.options.threads" in str(raised.value.findings)


@pytest.mark.parametrize("service", APIS)
def test_its_clone_needs_quorum_and_no_other_service(its: Platform, service: str) -> None:
    clones = [
        resource
        for fragment in its.ctx.fragments
        for resource in fragment.resources
        if isinstance(resource, Clone) and resource.primitive.id == service
    ]
    (clone,) = clones
    assert clone.meta["interleave"] == "true" and clone.primitive.meta["requires"] == "quorum"


def test_a_check_always_finds_a_thread() -> None:
    assert Api("a.service", "", "a", "/a", 1, processes=1, threads=8).server_limit == 6
    assert Api("a.service", "", "a", "/a", 1, processes=1, threads=2).server_limit == 1


def test_a_worker_survives_the_death_of_any_broker(its: Platform) -> None:
    os = common(its.ctx)
    source = (
        '{% from "openstack/sections.j2" import messages, transport %}[DEFAULT]\n{{ transport(url) }}\n'
        '{{ messages("nova-conductor") }}'
    )
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found = parsed(environment.from_string(source).render(url=os.transport("nova")))
    url = found["DEFAULT"]["transport_url"]
    assert all(f"@{its.ctx.cluster.address(node)}:5672" in url for node in NODES)
    assert int(found["DEFAULT"]["rpc_response_timeout"]) <= 60
    rabbit = found["oslo_messaging_rabbit"]
    for option in ("rabbit_quorum_queue", "rabbit_transient_quorum_queue", "use_queue_manager"):
        assert rabbit[option] == "true"
    assert int(rabbit["heartbeat_timeout_threshold"]) <= 20
    assert int(rabbit["rabbit_qos_prefetch_count"]) > 0, "streams insist on it"
    assert rabbit["processname"] == "nova-conductor"


def test_a_worker_is_a_clone_whose_function_is_checked() -> None:
    command = ("/usr/local/lib/quorate/connected", "nova-conductor.service", "5672")
    clone = daemon_clone("nova-conductor", "nova-conductor.service", command)
    assert clone.primitive.params["check"] == "command"
    assert clone.primitive.params["target"] == " ".join(command)
    with pytest.raises(ValueError, match="spaces"):
        daemon_clone("x", "x.service", ("/a b",))


def test_a_workers_unit_comes_with_the_program_that_checks_it() -> None:
    resources = {
        resource.id: resource
        for resource in daemon(
            "a.service", description="A", account="nova", command=("/usr/bin/a",), kind="notify"
        )
    }
    assert "file:/usr/local/lib/quorate/connected" in resources
    unit = str(resources["file:/etc/systemd/system/a.service"].args["content"])
    assert "Type=notify" in unit and f"ExecStart={TURN} /usr/bin/a\n" in unit
    assert "OS_OSLO_MESSAGING_RABBIT__PROCESSNAME=a" in unit
    assert f"Environment=PYTHONPATH={PYTHON}\n" in unit
    assert f"file:{PYTHON}/sitecustomize.py" in resources
    assert resources["unit:a.service"].desired == {"file": "disabled", "stale": False, "changed": False}


def test_the_program_tells_whose_connection_it_is(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    (group / "cgroup.procs").write_text("41\n42\n")
    program = (TEMPLATES / "openstack" / "connected").read_text()
    program = program.replace("/sys/fs/cgroup", str(tmp_path)).replace(
        "'/proc/%s/fd '", f"'{tmp_path}/%s/fd '"
    )
    for pid, inode in ((41, 700), (42, 77), (142, 7)):
        (tmp_path / f"{pid}/fd").mkdir(parents=True)
        (tmp_path / f"{pid}/fd/3").symlink_to(f"socket:[{inode}]")
    for name, said in (
        ("systemctl", "echo /group"),
        (
            "ss",
            'case "$*" in *:5672*) echo "0 0 a b uid:1 ino:77 sk:1" ;; *) echo "0 0 a b ino:7 sk:2" ;; esac',
        ),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def ask(*ports: str) -> subprocess.CompletedProcess[str]:
        argv = ["sh", "-c", program, "connected", "x.service", *ports]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=False)

    assert ask("5672").returncode == 0
    other = ask("5672", "6642")
    assert other.returncode == 1 and "port 6642" in other.stdout
    (group / "cgroup.procs").write_text("")
    assert "has no process" in ask("5672").stdout


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"token": True, "status": 200, "found": True, "ms": 9}, Health.OK),
        ({"token": True, "status": 500, "found": False}, Health.FAILED),
        ({"token": True, "status": 0, "found": False, "error": "refused"}, Health.FAILED),
        ({"token": False, "status": 0, "found": False, "error": "no token"}, Health.UNKNOWN),
    ],
)
def test_an_api_is_judged_by_its_answer(state: dict[str, object], health: Health) -> None:
    said = judge(state, unit="x.service")
    assert said.health is health and said.text and (said.next_step or health is Health.OK)


def test_the_last_migrations_are_those_that_nothing_builds_on() -> None:
    scripts = [
        "revision = 'a1'\ndown_revision = None\ndepends_on = None\n",
        "revision = 'e1'  # expand\ndown_revision = 'a1'\nbranch_labels = ('expand',)\n",
        "revision: str = 'c1'\ndown_revision: str | None = 'a1'\ndepends_on = ('e1',)\n",
        "# revision identifiers\nimport x\n",
    ]
    assert last_of(scripts) == ["c1"]
    assert last_of([]) == []


def test_every_shared_section_has_an_end(its: Platform) -> None:
    """A macro whose text lacks its newline would swallow the section after it."""
    for service, (_, path, _, _) in APIS.items():
        content = text(its, "c1", path)
        assert all(
            not line.rstrip().endswith("]") or line.startswith("[") for line in content.splitlines()
        ), service


def test_who_cannot_be_known_is_not_unknown(its: Platform) -> None:
    """A token that Keystone could not check is 503, and asked for below /v2 only: versions are for all."""
    config = parsed(text(its, "c1", APIS["glance"][1]))["paste_deploy"]
    paste = parsed(text(its, "c1", config["config_file"]))
    assert "delay_auth_decision" not in paste["filter:authtoken"]
    assert f"composite:glance-api-{config['flavor']}" in paste
    assert "authtoken" in paste["pipeline:v2"]["pipeline"].split()
    assert "authtoken" not in paste["pipeline:api"]["pipeline"].split()


@pytest.mark.parametrize("service", APIS)
def test_a_balancer_is_answered_without_python_and_a_stop_lets_requests_end(
    its: Platform, service: str
) -> None:
    name = APIS[service][0]
    ini = text(its, "c2", f"/etc/{service}/quorate-{name}-uwsgi.ini")
    check = next(one.check for one in its.ctx.frontends if one.service == service)
    assert check is not None
    assert f"route-if-not = equal:${{PATH_INFO}};{check.path} last:" in ini.splitlines()
    assert f"exists:/etc/{service}/healthcheck_disable break:503" in ini
    assert "gracefully_kill_them_all" in ini and "\ndie-on-term" not in ini
