"""Neutron: what it tells its programs, who runs them, and what the looks at it mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import guest_things
import pytest
from openstack_things import parsed
from service_things import NODES, VIPS, on, text

from quorate.errors import SpecError
from quorate.home import Home
from quorate.pacemaker.model import Clone
from quorate.resources.base import Resource, Stage
from quorate.services.base import Context, Health
from quorate.services.networking import health
from quorate.services.networking.settings import External, external
from quorate.services.neutron import Neutron
from quorate.services.registry import Platform, packages_of, platform
from quorate.spec.model import Cluster

CONFIG, AGENT = "/etc/neutron/neutron.conf", "/etc/neutron/quorate-metadata.ini"
CLUSTER = Cluster.model_validate(guest_things.SPEC)


def neutron(folder: Path, **options: Any) -> Platform:
    """Controllers and computes with Neutron, its ``options``, and what it needs; without Nova."""
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True)
    for node in guest_things.SPEC["nodes"]:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    services: dict[str, Any] = {name: {"vip": address} for name, address in VIPS.items()}
    services |= {"memcached": {}, "ovn": {}, "neutron": {"vip": "10.77.1.106", "options": options}}
    return platform(Cluster.model_validate({**guest_things.SPEC, "services": services}), home)


@pytest.fixture(scope="module")
def its(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return neutron(tmp_path_factory.mktemp("neutron"), external={})


def with_nova(its: Platform) -> Context:
    """The same, where guests have metadata."""
    return replace(its.ctx, vips={**its.ctx.vips, "nova": "10.77.1.107", "placement": "10.77.1.104"})


def resources(ctx: Context, node: str) -> dict[str, Resource]:
    return {placed.resource.id: placed.resource for placed in Neutron().resources(ctx) if placed.node == node}


@pytest.mark.parametrize("node", NODES)
def test_it_works_on_ovn_and_knows_every_member_of_its_databases(its: Platform, node: str) -> None:
    found = parsed(text(its, node, CONFIG))
    assert found["ovn"]["ovn_nb_connection"] == "tcp:10.77.0.11:6641,tcp:10.77.0.12:6641,tcp:10.77.0.13:6641"
    assert found["ovn"]["ovn_sb_connection"] == "tcp:10.77.0.11:6642,tcp:10.77.0.12:6642,tcp:10.77.0.13:6642"
    assert found["ml2"]["mechanism_drivers"] == "ovn" and found["ml2"]["tenant_network_types"] == "geneve"
    assert found["ml2_type_flat"]["flat_networks"] == "provider"
    assert found["DEFAULT"]["core_plugin"] == "ml2" and found["DEFAULT"]["host"] == node


def test_every_client_is_bounded_and_no_broker_can_hold_up_a_request(its: Platform) -> None:
    found = parsed(text(its, "c2", CONFIG))
    assert 1000 <= int(found["ovn"]["ovsdb_probe_interval"]) <= 5000
    assert int(found["ovn"]["ovsdb_connection_timeout"]) <= 30
    url = found["database"]["connection"]
    assert "@127.0.0.1:3306/neutron" in url and "connect_timeout=2" in url and "read_timeout=20" in url
    assert found["DEFAULT"]["transport_url"] == "fake://" and found["DEFAULT"]["rpc_workers"] == "0"
    assert found["keystone_authtoken"]["password"] == its.ctx.secrets.password("os-neutron")
    assert "rabbitmq" not in Neutron.needs


def test_the_api_is_started_as_ovn_driver_needs_it(its: Platform) -> None:
    ini = text(its, "c1", "/etc/neutron/quorate-neutron-api-uwsgi.ini").splitlines()
    assert {"start-time = %t", "enable-threads = true", "threads = 1", "lazy-apps = true"} <= set(ini)
    # As many workers as Neutron believes there are: they share out OVN's events.
    assert "processes = 2" in ini and parsed(text(its, "c1", CONFIG))["DEFAULT"]["api_workers"] == "2"
    assert [line for line in ini if line.startswith("http-socket")] == [
        "http-socket = 10.77.0.11:9696",
        "http-socket = 127.0.0.1:9696",
    ]


def test_more_workers_are_known_everywhere(tmp_path: Path) -> None:
    its = neutron(tmp_path, processes=5)
    assert parsed(text(its, "c3", CONFIG))["DEFAULT"]["api_workers"] == "5"
    assert "processes = 5" in text(its, "c3", "/etc/neutron/quorate-neutron-api-uwsgi.ini")
    assert next(one for one in its.ctx.frontends if one.service == "neutron").server_limit == 4


def test_secrets_are_in_private_files_only(its: Platform) -> None:
    for found, path in ((on(its, "c1"), CONFIG), (resources(with_nova(its), "n1"), AGENT)):
        config = found[f"file:{path}"]
        assert config.secret and config.desired["mode"] == "0640" and config.desired["group"] == "neutron"
    shown = repr(its.probes()) + repr(its.desired())
    for name in ("os-neutron", "db-neutron", "metadata-proxy", "keystone-admin"):
        assert its.ctx.secrets.password(name) not in shown


def test_units_pull_in_nothing_and_are_pacemakers(its: Platform) -> None:
    names = ("neutron-api", "neutron-ovn-maintenance-worker", "neutron-periodic-workers")
    for name in names:
        unit = text(its, "c1", f"/etc/systemd/system/{name}.service")
        assert [line for line in unit.splitlines() if line.startswith("Wants=")] == [
            "Wants=network-online.target"
        ]
        assert "[Install]" not in unit and "Restart=always" in unit
        assert on(its, "c1")[f"unit:{name}.service"].desired["file"] == "disabled"
    clones = {one.primitive.id for one in Neutron().fragment(its.ctx).resources if isinstance(one, Clone)}
    assert clones == {"neutron-api", "neutron-maintenance", "neutron-periodic"}


def test_computes_have_a_metadata_agent_where_there_is_nova(its: Platform) -> None:
    assert not any(node in ("n1", "n2") for node in (placed.node for placed in Neutron().resources(its.ctx)))
    ctx = with_nova(its)
    found = parsed(str(resources(ctx, "n2")[f"file:{AGENT}"].args["content"]))["DEFAULT"]
    assert found["nova_metadata_host"] == "10.77.1.107" and found["nova_metadata_protocol"] == "https"
    assert found["metadata_proxy_shared_secret"] == ctx.secrets.password("metadata-proxy")
    unit = str(resources(ctx, "n2")["file:/etc/systemd/system/neutron-ovn-metadata-agent.service"].args)
    assert "KillMode=process" in unit and "mysql" not in unit
    agents = [one for one in Neutron().fragment(ctx).resources if isinstance(one, Clone) and one.nodes]
    assert [one.primitive.id for one in agents] == ["neutron-metadata"]
    assert agents[0].nodes == ("n1", "n2")
    controller = parsed(str(resources(ctx, "c1")[f"file:{CONFIG}"].args["content"]))
    assert controller["ovn"]["ovn_metadata_enabled"] == "true"
    assert controller["nova"]["endpoint_type"] == "internal" and int(controller["nova"]["timeout"]) <= 30
    assert (
        controller["placement"]["auth_type"] == "password" and int(controller["placement"]["timeout"]) <= 30
    )
    assert controller["DEFAULT"]["notify_nova_on_port_status_changes"] == "true"


def test_each_node_has_the_packages_of_its_part(its: Platform) -> None:
    found = {node: set(packages_of(its.ctx.cluster, node)) for node in ("c1", "n1")}
    assert {"neutron-api", "neutron-ovn-maintenance-worker"} <= found["c1"] - found["n1"]
    # Its proxies are HAProxy's, which the package does not ask for.
    assert {"neutron-ovn-metadata-agent", "haproxy"} <= found["n1"]


def test_the_external_network_is_made_once_after_the_api_answers(its: Platform) -> None:
    made = [placed for placed in its.desired() if placed.resource.kind == "neutron_external"]
    assert [(placed.node, placed.stage) for placed in made] == [("c1", Stage.READY)]
    assert made[0].resource.args["external"] == {
        "name": "public", "physical": "provider", "cidr": "10.77.4.0/24", "gateway": "10.77.4.1",
        "first": "10.77.4.128", "last": "10.77.4.254",
    }  # fmt: skip


def test_without_the_option_none_is_made(tmp_path: Path) -> None:
    kinds = {placed.resource.kind for placed in neutron(tmp_path).desired()}
    assert "neutron_external" not in kinds and "schema" in kinds


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({"network": "cluster"}, "use: guests"),
        ({"gateway": "10.1.1.1"}, "10.1.1.1 is not in"),
        ({"first": "10.77.4.50", "last": "10.77.4.40"}, "last comes after first"),
        ({"first": "10.77.4.1", "last": "10.77.4.40"}, "the gateway is outside"),
    ],
)
def test_an_external_network_that_does_not_fit_is_refused(wanted: dict[str, str], word: str) -> None:
    with pytest.raises(SpecError, match=word):
        external(CLUSTER, External.model_validate(wanted))


def test_half_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        External.model_validate({"first": "10.77.4.50"})


def rows(*ages: int) -> dict[str, Any]:
    return {"rows": [[f"w{number}", str(age)] for number, age in enumerate(ages)]}


def test_a_worker_that_hears_of_no_events_is_told() -> None:
    assert health.judge_ring(rows(1, 4), processes=2).health is Health.OK
    one = health.judge_ring(rows(1, 200), processes=2)
    assert one.health is Health.DEGRADED and "1 of 2" in one.text and one.next_step
    assert health.judge_ring(rows(), processes=2).health is Health.FAILED


def seen(*silent: tuple[str, str], locked: bool | None = True, error: str = "") -> dict[str, Any]:
    every = [(host, health.CONTROLLER) for host in ("c1", "n1")] + [("n1", health.METADATA)]
    agents = [{"host": host, "binary": name, "alive": (host, name) not in silent} for host, name in every]
    return {"error": error, "agents": agents, "locked": locked}


@pytest.mark.parametrize(
    ("state", "verdict", "word"),
    [
        (seen(), Health.OK, "3 agents alive, a maintenance worker at work"),
        (seen(locked=None), Health.OK, "3 agents alive"),
        (seen(("n1", health.METADATA)), Health.DEGRADED, "neutron-ovn-metadata-agent alive on n1"),
        (seen(("c1", health.CONTROLLER)), Health.DEGRADED, "ovn-controller alive on c1"),
        (seen(locked=False), Health.DEGRADED, "no maintenance worker"),
        (seen(error="no answer"), Health.UNKNOWN, "no answer"),
    ],
)
def test_agents_and_the_maintenance_lock(state: dict[str, Any], verdict: Health, word: str) -> None:
    said = health.judge_agents(state, chassis=("c1", "n1"), metadata=("n1",))
    assert said.health is verdict and word in said.text
    assert bool(said.next_step) is (verdict is not Health.OK)


def test_an_agent_that_does_not_answer_is_told() -> None:
    assert health.judge_metadata({"done": True, "output": "HTTP/1.1 404"}).health is Health.OK
    said = health.judge_metadata({"done": False, "output": "no answer at /x: Connection refused"})
    assert said.health is Health.FAILED and "Connection refused" in said.text
