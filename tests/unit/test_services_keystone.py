"""Identity: the same on every node, nothing started behind Pacemaker's back, no secret in sight."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from service_things import NODES, VIPS, on, plane, text

from quorate.pacemaker.model import Clone
from quorate.services.base import Health
from quorate.services.keystone import CREDENTIAL_KEYS, FERNET_KEYS, INTERFACES, Keystone, judge

UNIT = "/etc/systemd/system/keystone.service"


def configuration(content: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(content)
    return parser


def test_the_configuration_is_the_same_on_every_node(tmp_path: Path) -> None:
    its = plane(tmp_path)
    found = {text(its, node, "/etc/keystone/keystone.conf") for node in NODES}
    assert len(found) == 1
    parsed = configuration(found.pop())
    url = parsed["database"]["connection"]
    assert "@127.0.0.1:3306/keystone?" in url and "read_timeout=" in url and "connect_timeout=" in url
    assert its.ctx.secrets.password("db-keystone") in url
    assert parsed["database"]["max_retries"] == "-1"
    assert int(parsed["database"]["connection_recycle_time"]) < 300
    assert float(parsed["cache"]["memcache_socket_timeout"]) < 1
    assert int(parsed["cache"]["memcache_dead_retry"]) <= 2
    assert int(parsed["cache"]["expiration_time"]) <= 60
    assert parsed["token"]["provider"] == "fernet"
    assert parsed["oslo_middleware"]["enable_proxy_headers_parsing"] == "true"
    assert parsed["DEFAULT"]["public_endpoint"] == f"https://{VIPS['keystone']}:5000"


def test_the_configuration_is_secret_and_private(tmp_path: Path) -> None:
    resource = on(plane(tmp_path), "c1")["file:/etc/keystone/keystone.conf"]
    assert resource.secret and resource.desired["mode"] == "0640" and resource.desired["group"] == "keystone"


def test_no_secret_shows_in_what_is_asked_and_desired(tmp_path: Path) -> None:
    its = plane(tmp_path)
    shown = repr(its.probes()) + repr(its.desired()) + repr(its.ctx)
    kept = {path.name: path.read_bytes() for path in its.ctx.secrets.folder.iterdir()}
    assert {"keystone-admin", "mq-quorate", "db-keystone", "bmc-c1"} <= set(kept)
    assert not [name for name, secret in kept.items() if secret.decode(errors="replace") in shown]


@pytest.mark.parametrize("node", NODES)
def test_its_unit_pulls_in_nothing(tmp_path: Path, node: str) -> None:
    its = plane(tmp_path)
    wanted = [line for line in text(its, node, UNIT).splitlines() if line.startswith(("Wants=", "Requires="))]
    assert wanted == ["Wants=network-online.target"]
    assert "[Install]" not in text(its, node, UNIT), "Pacemaker starts it, nobody else"


@pytest.mark.parametrize("node", NODES)
def test_it_never_listens_on_every_address(tmp_path: Path, node: str) -> None:
    its = plane(tmp_path)
    ini = text(its, node, "/etc/keystone/quorate-uwsgi.ini").splitlines()
    sockets = [line.split("=")[1].strip() for line in ini if line.startswith("http-socket")]
    assert sockets == [f"{its.ctx.cluster.address(node)}:5000", "127.0.0.1:5000"]


def test_every_node_gets_the_same_keys_before_its_first_start(tmp_path: Path) -> None:
    its = plane(tmp_path)
    for path in (FERNET_KEYS, CREDENTIAL_KEYS):
        rings = [on(its, node)[f"keyring:{path}"] for node in NODES]
        assert all(ring.desired == rings[0].desired and ring.secret for ring in rings)
    first = on(its, "c1")
    assert first[f"keyring:{FERNET_KEYS}"].desired != first[f"keyring:{CREDENTIAL_KEYS}"].desired


def test_the_admin_password_is_in_no_argument(tmp_path: Path) -> None:
    its = plane(tmp_path)
    password = its.ctx.secrets.password("keystone-admin")
    command = on(its, "c1")["command:keystone: account admin and catalogue"]
    assert command.args["env"]["OS_BOOTSTRAP_PASSWORD"] == password
    assert not any(password in word for word in (*command.args["fix"], *command.args["check"]))
    assert command.secret
    assert not any(password in str(placed.resource.args.get("fix", "")) for placed in its.desired())


def test_bootstrap_waits_for_the_schema_and_names_all_interfaces(tmp_path: Path) -> None:
    its = plane(tmp_path)
    command = on(its, "c1")["command:keystone: account admin and catalogue"]
    assert command.after == ("schema:keystone",)
    for interface in INTERFACES:
        position = command.args["fix"].index(f"--bootstrap-{interface}-url")
        assert command.args["fix"][position + 1] == f"https://{VIPS['keystone']}:5000/v3"
    assert not any("command:keystone: account" in name for name in on(its, "c2")), "once for the cluster"


def test_the_clone_does_not_hold_up_others_and_needs_no_fencing(tmp_path: Path) -> None:
    its = plane(tmp_path)
    (clone,) = Keystone().offers(its.ctx.cluster, its.ctx.options["keystone"]).fragment.resources
    assert isinstance(clone, Clone)
    assert clone.meta["interleave"] == "true"
    assert clone.primitive.meta["requires"] == "quorum"
    assert int(clone.primitive.params["warmup"]) > 0


def test_a_check_always_finds_a_worker(tmp_path: Path) -> None:
    its = plane(tmp_path, keystone={"processes": 2, "threads": 8})
    (frontend,) = [one for one in its.ctx.frontends if one.service == "keystone"]
    assert frontend.server_limit == 14 < 2 * 8, "under overload it is slow, not dead"
    haproxy = text(its, "c1", "/etc/haproxy/haproxy.cfg")
    assert " maxconn 14" in haproxy and "option abortonclose" in haproxy
    assert "http-request set-priority-class date,mod(4095),neg,add(2047)" in haproxy


def test_password_rounds_are_keystones_own_unless_said_otherwise(tmp_path: Path) -> None:
    assert "password_hash_rounds = 12" in text(plane(tmp_path / "a"), "c1", "/etc/keystone/keystone.conf")
    quick = plane(tmp_path / "b", keystone={"password_hash_rounds": 4, "processes": 1})
    assert "password_hash_rounds = 4" in text(quick, "c1", "/etc/keystone/keystone.conf")
    assert "processes = 1" in text(quick, "c1", "/etc/keystone/quorate-uwsgi.ini")


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"issued": True, "listed": True, "status": 200, "ms": 30}, Health.OK),
        ({"issued": True, "listed": False, "status": 500}, Health.FAILED),
        ({"issued": False, "listed": False, "error": "refused"}, Health.FAILED),
    ],
)
def test_health_is_a_token_and_an_answer(state: dict[str, object], health: Health) -> None:
    assert judge(state).health is health and judge(state).text
