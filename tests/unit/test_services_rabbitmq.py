"""The broker: clustered by itself, no password in clear, restarted one at a time but started together."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_things import NODES, on, plane, settings, text

from quorate.services.base import Health
from quorate.services.rabbitmq import COOKIE, UNIT, definitions, judge, password_hash

CONFIG, DEFINITIONS = "/etc/rabbitmq/rabbitmq.conf", "/etc/rabbitmq/definitions.json"


@pytest.mark.parametrize("node", NODES)
def test_the_configuration(tmp_path: Path, node: str) -> None:
    its = plane(tmp_path)
    found = settings(text(its, node, CONFIG))
    assert found["listeners.tcp.1"] == f"{its.ctx.cluster.address(node)}:5672"
    assert found["listeners.ssl.1"] == f"{its.ctx.cluster.address(node, 'api')}:5671"
    assert found["cluster_partition_handling"] == "pause_minority"
    assert found["default_queue_type"] == "quorum"
    assert found["management.tcp.ip"] == "127.0.0.1"
    peers = {
        value for key, value in found.items() if key.startswith("cluster_formation.classic_config.nodes.")
    }
    assert peers == {f"rabbit@{peer}" for peer in NODES}
    assert "relative" not in text(its, node, CONFIG), "a container sees the host's memory"
    environment = text(its, node, "/etc/rabbitmq/rabbitmq-env.conf")
    assert "{" + its.ctx.cluster.address(node).replace(".", ",") + "}" in environment


def test_a_kernel_that_is_silent_is_given_up_a_clients_and_another_brokers(tmp_path: Path) -> None:
    """Erlang terms, which nothing here can parse; the lab's brokers do."""
    its = plane(tmp_path)
    advanced = "/etc/rabbitmq/advanced.config"
    said = text(its, "c1", advanced)
    for option in ("tcp_listen_options", "inet_dist_listen_options", "inet_dist_connect_options"):
        assert "{raw, 6, 18, <<4000:32/native>>}" in said.partition(option)[2].partition("]}")[0]
    assert advanced in on(its, "c1")[f"unit:{UNIT}: has read its files"].args["restart_on"]


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=40))
def test_the_hash_is_rabbitmqs_and_always_the_same(name: str, password: str) -> None:
    stored = base64.b64decode(password_hash(name, password))
    assert len(stored) == 4 + 32
    assert stored[4:] == hashlib.sha256(stored[:4] + password.encode()).digest()
    assert password_hash(name, password) == password_hash(name, password)


def test_definitions_hold_accounts_and_no_password() -> None:
    made = definitions({"quorate": "secret-one", "nova": "secret-two"})
    assert "secret-one" not in made and "secret-two" not in made
    document = json.loads(made)
    assert [user["name"] for user in document["users"]] == ["nova", "quorate"]
    assert {user["name"]: user["tags"] for user in document["users"]}["nova"] == []
    assert document["vhosts"][0]["default_queue_type"] == "quorum"


def test_one_cookie_for_all_and_none_that_the_package_would_replace(tmp_path: Path) -> None:
    its = plane(tmp_path)
    cookies = {text(its, node, COOKIE) for node in NODES}
    assert len(cookies) == 1
    cookie = cookies.pop()
    assert not (cookie.isupper() and len(cookie) == 20), "rabbitmq-server.postinst replaces ^[A-Z]{20}$"
    resource = on(its, "c1")[f"file:{COOKIE}"]
    assert resource.secret and resource.desired["mode"] == "0400" and resource.desired["owner"] == "rabbitmq"
    assert "alphabet" not in cookie


def test_started_together_restarted_one_at_a_time(tmp_path: Path) -> None:
    mine = on(plane(tmp_path), "c1")
    assert not mine[f"background:{UNIT}"].serial
    assert not mine[f"unit:{UNIT}"].serial
    restart = mine[f"unit:{UNIT}: has read its files"]
    assert restart.serial and restart.args["name"] == UNIT
    assert CONFIG in restart.args["restart_on"] and DEFINITIONS in restart.args["restart_on"]
    assert f"file:{COOKIE}" in mine[f"unit:{UNIT}"].after, "before the first start"


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"running": ["a", "b", "c"], "partitions": [], "alarms": []}, Health.OK),
        ({"running": ["a", "b", "c"], "partitions": ["b"], "alarms": []}, Health.FAILED),
        ({"running": ["a", "b", "c"], "partitions": [], "alarms": ["memory"]}, Health.DEGRADED),
        ({"error": "refused"}, Health.FAILED),
    ],
)
def test_health(state: dict[str, object], health: Health) -> None:
    judged = judge(state, members=3)
    assert judged.health is health and judged.text
