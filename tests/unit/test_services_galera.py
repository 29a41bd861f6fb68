"""The database: durable, OpenStack's dialect, reachable where it should be, no password on a node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_things import NODES, on, plane, settings, text

from quorate.resources.base import Stage
from quorate.services.base import Database, Health
from quorate.services.galera import GaleraOptions, account, judge, native_hash, provider_options

CONFIG = "/etc/mysql/mariadb.conf.d/70-quorate.cnf"


@pytest.mark.parametrize("node", NODES)
def test_the_configuration_is_durable_and_speaks_openstack(tmp_path: Path, node: str) -> None:
    its = plane(tmp_path)
    found = settings(text(its, node, CONFIG))
    address = its.ctx.cluster.address(node)
    assert found["bind_address"] == found["wsrep_node_address"] == address
    assert found["innodb_flush_log_at_trx_commit"] == "1"
    assert found["innodb_snapshot_isolation"] == "OFF"
    assert (found["character_set_server"], found["collation_server"]) == ("utf8mb3", "utf8mb3_general_ci")
    assert found["character_set_collations"] == ""
    assert found["binlog_format"] == "ROW" and found["innodb_autoinc_lock_mode"] == "2"
    assert found["wsrep_cluster_address"] == "gcomm://10.77.0.11,10.77.0.12,10.77.0.13"
    assert "pc.ignore_sb" not in found["wsrep_provider_options"]


def test_the_first_node_is_the_last_to_be_a_donor(tmp_path: Path) -> None:
    its = plane(tmp_path)
    donors = {node: settings(text(its, node, CONFIG))["wsrep_sst_donor"] for node in NODES}
    assert donors == {"c1": "c3,c2,", "c2": "c3,c1,", "c3": "c2,c1,"}


def test_options_reach_the_configuration(tmp_path: Path) -> None:
    its = plane(tmp_path, galera={"buffer_pool_mb": 333, "gcache_mb": 77, "sst": "mariabackup"})
    found = settings(text(its, "c1", CONFIG))
    assert found["innodb_buffer_pool_size"] == "333M"
    assert found["wsrep_sst_method"] == "mariabackup"
    assert "gcache.size=77M" in found["wsrep_provider_options"]


def periods(options: str) -> dict[str, float]:
    return {key: float(value) for key, value in re.findall(r"([a-z_.]+)=PT([0-9.]+)S", options)}


def test_the_measured_timings() -> None:
    found = periods(provider_options(GaleraOptions(), "10.0.0.1"))
    assert found == {
        "gmcast.peer_timeout": 3,
        "evs.suspect_timeout": 1,
        "evs.inactive_timeout": 8,
        "evs.inactive_check_period": 0.2,
        "evs.join_retrans_period": 0.2,
        "evs.keepalive_period": 0.2,
        "evs.install_timeout": 6,
    }


@given(st.floats(0.5, 30))
def test_timings_hold_together_at_every_suspicion(suspect: float) -> None:
    found = periods(provider_options(GaleraOptions(suspect_s=suspect), "10.0.0.1"))
    silence = found["evs.suspect_timeout"]
    assert found["evs.keepalive_period"] * 3 <= silence, "two keepalives may be lost"
    assert found["evs.inactive_check_period"] <= silence / 2
    assert silence <= found["evs.install_timeout"] <= found["evs.inactive_timeout"]


def test_the_hash_is_mariadbs() -> None:
    # SELECT PASSWORD('password')
    assert native_hash("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_no_node_sees_a_database_password(tmp_path: Path) -> None:
    its = plane(tmp_path)
    accounts = [one for one in on(its, "c1").values() if one.kind == "sql"]
    assert {one.name for one in accounts} == {"database quorate", "database keystone"}
    for one in accounts:
        assert one.secret
        assert its.ctx.secrets.password(f"db-{one.name.split()[1]}") not in str(one.args)


def test_accounts_from_outside_need_tls_and_others_do_not() -> None:
    own = account(Database("quorate", "quorate"), "pw", tls=True)
    other = account(Database("keystone", "keystone"), "pw")
    assert all("REQUIRE SSL" in line for line in own.args["statements"] if "IDENTIFIED" in line)
    assert all("REQUIRE NONE" in line for line in other.args["statements"] if "IDENTIFIED" in line)
    assert own.args["query"] != other.args["query"]
    assert all(";" not in line for line in (*own.args["statements"], own.args["query"]))


def test_schemas_are_made_once_after_the_database_is_synced(tmp_path: Path) -> None:
    placed = [one for one in plane(tmp_path).desired() if one.resource.kind == "sql"]
    assert {(one.node, one.stage) for one in placed} == {("c1", Stage.DATA)}
    assert all(one.resource.after == ("http:galera: synced",) for one in placed)


def test_the_packaged_unit_can_never_start_a_second_server(tmp_path: Path) -> None:
    its = plane(tmp_path)
    for node in NODES:
        assert on(its, node)["unit:mariadb.service"].desired == {"file": "masked"}


def test_the_certificate_is_good_for_the_virtual_ip(tmp_path: Path) -> None:
    from ipaddress import ip_address

    from cryptography import x509

    its = plane(tmp_path)
    for node in NODES:
        pem = text(its, node, "/etc/mysql/quorate/server.crt").encode()
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        addresses = names.value.get_values_for_type(x509.IPAddress)
        assert ip_address(its.vips["galera"]) in addresses
        assert ip_address(its.ctx.cluster.address(node)) in addresses


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"ready": True, "comment": "Synced", "size": 3, "committed": True, "commit_ms": 4}, Health.OK),
        ({"ready": True, "comment": "Synced", "size": 3, "committed": False}, Health.FAILED),
        ({"ready": True, "comment": "Donor/Desynced", "size": 3, "committed": True}, Health.DEGRADED),
        ({"ready": False, "comment": "Initialized", "size": 1, "component": "non-Primary"}, Health.FAILED),
        ({"error": "no socket"}, Health.FAILED),
    ],
)
def test_being_active_is_not_health(state: dict[str, object], health: Health) -> None:
    judged = judge(state, members=3)
    assert judged.health is health
    assert judged.text and (health is Health.OK or judged.next_step)


def test_why_it_cannot_write_is_said() -> None:
    state = {"ready": True, "comment": "Synced", "size": 3, "committed": False, "commit_error": "ERROR 1290"}
    assert "ERROR 1290" in judge(state, members=3).text
