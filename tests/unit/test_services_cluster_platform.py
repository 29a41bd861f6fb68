"""The cluster layer of a whole platform: invariants of what is generated."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import GOOD

from quorate.errors import PreconditionError, SpecError
from quorate.home import Home
from quorate.pacemaker.model import CUT_OFF
from quorate.resources.base import Stage
from quorate.services import corosync, fencing, haproxy, host, pacemaker, registry, vip
from quorate.services.base import Frontend, HttpCheck, Service
from quorate.services.registry import Platform, platform
from quorate.spec.model import Cluster, Mode

SERVICES = {
    "galera": {"vip": "10.77.1.101"},
    "memcached": {},
    "rabbitmq": {},
    "keystone": {"vip": "10.77.1.102"},
    "horizon": {"vip": "10.77.1.103"},
}
PASSWORD = "hunter2-of-the-bmc"


def cluster_of(**changes: Any) -> Cluster:
    data = copy.deepcopy(GOOD) | {"services": copy.deepcopy(SERVICES)} | changes
    return Cluster.model_validate(data)


def home_in(parent: Path) -> Home:
    """A home with the BMCs' passwords."""
    folder = Home(parent / "demo")
    (folder.path / "secrets").mkdir(parents=True)
    for node in ("c1", "c2", "c3"):
        path = folder.path / "secrets" / f"bmc-{node}"
        path.write_text(PASSWORD)
        path.chmod(0o600)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of the test's own."""
    return home_in(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Made once: it is frozen, and making it takes keys and certificates."""
    return platform(cluster_of(), home_in(tmp_path_factory.mktemp("whole")))


@pytest.fixture(scope="module")
def document(whole: Platform) -> ET.Element:
    return ET.fromstring(pacemaker.document(whole.ctx))


def constraints(document: ET.Element, tag: str) -> list[dict[str, str]]:
    return [dict(one.attrib) for one in document.iterfind(f"configuration/constraints/{tag}")]


def test_every_controller_has_a_fence_device_that_never_runs_on_it(document: ET.Element) -> None:
    locations = constraints(document, "rsc_location")
    for node in ("c1", "c2", "c3"):
        device = document.find(f"configuration/resources/primitive[@id='fence-{node}']")
        assert device is not None
        params = {
            pair.get("name"): pair.get("value") for pair in device.iterfind("instance_attributes/nvpair")
        }
        assert params["pcmk_host_list"] == node
        assert params["pcmk_host_check"] == "static-list"
        banned = [one for one in locations if one["rsc"] == f"fence-{node}" and one["score"] == "-INFINITY"]
        assert [one["node"] for one in banned] == [node]


def test_no_secret_is_in_the_configuration(whole: Platform, document: ET.Element) -> None:
    text = ET.tostring(document, encoding="unicode")
    assert PASSWORD not in text
    assert "passw" not in text


def test_fencing_is_on_and_nothing_runs_without_quorum(document: ET.Element) -> None:
    options = {
        pair.get("name"): pair.get("value") for pair in document.iterfind("configuration/crm_config//nvpair")
    }
    assert options["stonith-enabled"] == "true"
    assert options["no-quorum-policy"] == "stop"
    requires = {pair.get("value") for pair in document.iter("nvpair") if pair.get("name") == "requires"}
    assert requires <= {"quorum", "fencing"}


def test_every_vip_needs_a_balancer_and_starts_somewhere_else(document: ET.Element) -> None:
    vips = [one.get("id") for one in document.iter("primitive") if one.get("type") == "IPaddr2"]
    assert vips == ["vip-galera", "vip-keystone", "vip-horizon"]
    colocated = {one["rsc"]: one for one in constraints(document, "rsc_colocation")}
    placed = [one for one in constraints(document, "rsc_location") if one.get("rsc") in vips]
    homes = {one["rsc"]: one["node"] for one in placed if "node" in one}
    for name in vips:
        assert colocated[str(name)]["with-rsc"] == "haproxy-clone"
        assert colocated[str(name)]["score"] == "INFINITY"
    assert sorted(homes.values()) == ["c1", "c2", "c3"]
    assert homes["vip-galera"] != "c1", "the first writer is on the first controller"


def test_no_vip_is_on_a_node_that_reaches_no_other(document: ET.Element) -> None:
    for name in ("vip-galera", "vip-keystone", "vip-horizon"):
        rule = document.find(f".//rsc_location[@id='location-{name}-{CUT_OFF}']/rule")
        assert rule is not None and rule.get("score") == "-INFINITY"
        (test,) = rule
        assert (test.get("attribute"), test.get("operation"), test.get("value")) == (CUT_OFF, "eq", "1")


def test_each_controller_watches_whether_it_reaches_the_others(whole: Platform) -> None:
    texts = {
        placed.node: str(placed.resource.args["content"])
        for placed in whole.desired()
        if placed.resource.id == f"file:/etc/systemd/system/{vip.WATCHER}"
    }
    assert set(texts) == {"c1", "c2", "c3"}
    assert f"reach-watch {CUT_OFF} 10.77.0.12 10.77.0.13\n" in texts["c1"]


def test_nothing_moves_back_by_itself(document: ET.Element) -> None:
    defaults = {
        pair.get("name"): pair.get("value")
        for pair in document.iterfind("configuration/rsc_defaults//nvpair")
    }
    places = [one for one in constraints(document, "rsc_location") if one["rsc"].startswith("vip-")]
    scores = [one["score"] for one in places if "score" in one]
    assert scores
    assert all(int(score) < int(str(defaults["resource-stickiness"])) for score in scores)


def test_one_address_for_all_is_one_resource(home: Home) -> None:
    services = {name: {} for name in SERVICES}
    shared = platform(
        cluster_of(vips={"policy": "shared", "address": "10.77.1.100"}, services=services), home
    )
    assert set(shared.vips.values()) == {"10.77.1.100"}
    assert list(vip.addresses(shared.ctx)) == ["vip"]
    assert "10.77.1.100 galera.demo horizon.demo keystone.demo" in host.names(shared.ctx)


def test_corosync_has_two_links_and_ids_that_stay(whole: Platform) -> None:
    text = corosync.configuration(whole.ctx)
    assert "ring0_addr: 10.77.0.12" in text
    assert "ring1_addr: 10.77.1.12" in text
    assert re.findall(r"nodeid: (\d+)", text) == ["11", "12", "13"]
    assert "crypto_cipher: aes256" in text
    # The parser of Corosync refuses anything after an opening brace, and a closing one that is not alone.
    for line in text.splitlines():
        assert "{" not in line.rstrip("{"), line
        assert "}" not in line or line.strip() == "}", line


@pytest.mark.parametrize(
    "options",
    [
        {"token_ms": 100},
        {"link_mode": "passive"},
        {"ping_interval_ms": 1500},
        {"surprise": 1},
    ],
)
def test_timings_that_cannot_work_are_refused(home: Home, options: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        platform(cluster_of(services={**SERVICES, "corosync": {"options": options}}), home)
    assert "services.corosync.options" in caught.value.findings[0]


def test_all_balancers_agree_but_for_their_own_name(whole: Platform) -> None:
    texts = [haproxy.configuration(whole.ctx, node) for node in ("c1", "c2", "c3")]
    same = {re.sub(r"localpeer \w+", "localpeer X", text) for text in texts}
    assert len(same) == 1
    assert "localpeer c2" in texts[1]


def test_a_full_balancer_still_answers_who_asks_whether_it_lives(whole: Platform) -> None:
    text = haproxy.configuration(whole.ctx, "c1")
    whole_limit, share, health = (int(number) for number in re.findall(r"^    maxconn (\d+)$", text, re.M))
    assert health + share * len(whole.ctx.frontends) < whole_limit


def test_a_new_watcher_is_not_left_to_the_next_start_of_the_balancer(whole: Platform) -> None:
    on_c1 = {one.resource.id: one.resource for one in whole.desired() if one.node == "c1"}
    watching = on_c1[f"unit:{haproxy.WATCHER}"]
    assert set(watching.args["restart_on"]) == {haproxy.WATCH, f"/etc/systemd/system/{haproxy.WATCHER}"}
    # Whether it runs is for HAProxy's own unit to say.
    assert dict(watching.desired) == {"stale": False, "changed": False}


def test_the_writer_is_chosen_once_for_all_and_its_sessions_are_cut(whole: Platform) -> None:
    text = haproxy.configuration(whole.ctx, "c1")
    section = text[text.index("\nlisten galera") + 1 :].split("\n\n")[0]
    assert "stick on int(1)" in section
    assert "peers quorate" in section
    assert "bind 127.0.0.1:3306" in section
    servers = [line for line in section.splitlines() if line.strip().startswith("server ")]
    assert [line.endswith(" backup") for line in servers] == [False, True, True]
    assert all("on-marked-down shutdown-sessions" in line for line in servers)
    assert "on-marked-up" not in section


def test_http_is_checked_at_layer_7_and_only_safe_methods_are_sent_twice(whole: Platform) -> None:
    text = haproxy.configuration(whole.ctx, "c1")
    section = text[text.index("\nbackend keystone\n") + 1 :].split("\n\n")[0]
    assert "http-check expect status 200" in section
    assert "disable-l7-retry unless { method GET HEAD OPTIONS }" in section
    # It cuts connections that are still being made: the client gets nothing, instead of another server.
    assert "shutdown-sessions" not in section
    assert "bind 10.77.1.102:5000 ssl crt /etc/haproxy/tls/keystone.pem" in text


def test_no_request_is_sent_on_a_connection_that_its_server_is_closing(whole: Platform) -> None:
    text = haproxy.configuration(whole.ctx, "c1")
    assert "option http-server-close" in text[text.index("\ndefaults\n") :].split("\n\n")[0]


def test_slow_servers_are_better_than_none(whole: Platform) -> None:
    text = haproxy.configuration(whole.ctx, "c1")
    front = text[text.index("\nfrontend keystone") + 1 :].split("\n\n")[0]
    assert "use_backend keystone-anyway if { nbsrv(keystone) eq 0 }" in front
    anyway = text[text.index("\nbackend keystone-anyway\n") + 1 :].split("\n\n")[0]
    servers = [line for line in anyway.splitlines() if line.strip().startswith("server ")]
    assert len(servers) == 3 and not any("check" in line for line in servers)
    assert "disable-l7-retry unless" in anyway
    assert "galera-anyway" not in text, "who writes is never a guess"


def test_a_check_may_have_a_patience_of_its_own(whole: Platform) -> None:
    api = Frontend("keystone", port=1, backend_port=1, check=HttpCheck("/", timeout_s=1.5))
    text = haproxy.configuration(replace(whole.ctx, frontends=(*whole.ctx.frontends, api)), "c1")
    section = text[text.index("\nbackend keystone-1\n") + 1 :].split("\n\n")[0]
    assert "timeout check 1500ms" in section
    assert text.count("timeout check") == 2, "the others have HAProxy's own option"


def test_a_server_that_is_back_gets_its_share_little_by_little(whole: Platform) -> None:
    text = haproxy.configuration(whole.ctx, "c1")
    keystone = text[text.index("\nbackend keystone\n") + 1 :].split("\n\n")[0]
    servers = [line for line in keystone.splitlines() if line.strip().startswith("server ")]
    assert servers and all("slowstart 30000ms" in line for line in servers)
    galera = text[text.index("\nlisten galera\n") :].split("\n\n")[0]
    assert "slowstart" not in galera, "a writer takes all at once"


def test_certificates_are_secret_files_and_in_place_before_the_configuration(whole: Platform) -> None:
    on_c1 = {one.resource.id: one.resource for one in whole.desired() if one.node == "c1"}
    pem = on_c1["file:/etc/haproxy/tls/keystone.pem"]
    assert pem.secret
    assert pem.desired["mode"] == "0600"
    assert pem.id in on_c1["file:/etc/haproxy/haproxy.cfg"].after


def test_passwords_of_bmcs_are_secret_files_and_in_no_other_resource(whole: Platform) -> None:
    for placed in whole.desired():
        resource = placed.resource
        if resource.name.startswith("/etc/quorate/bmc/"):
            assert resource.secret and resource.desired["mode"] == "0600"
        else:
            assert PASSWORD not in str(resource.args)


def test_every_bmc_is_tested_from_every_other_node(whole: Platform) -> None:
    tests = [(one.node, one.resource.args["node"]) for one in whole.desired() if one.stage is Stage.FENCING]
    assert sorted(tests) == [(a, b) for a in ("c1", "c2", "c3") for b in ("c1", "c2", "c3") if a != b]


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (None, 0o600, "cannot be read"),
        ("secret", 0o644, "can be read by others"),
        ("", 0o600, "1 to 20 bytes"),
        ("a" * 21, 0o600, "1 to 20 bytes"),
    ],
)
def test_a_password_file_that_is_no_good(home: Home, content: str | None, mode: int, said: str) -> None:
    path = home.path / "secrets" / "bmc-c2"
    path.unlink()
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(PreconditionError, match=said) as caught:
        platform(cluster_of(), home).desired()
    assert caught.value.where == "nodes.c2.bmc.password_file"


def test_twice_the_same(home: Home) -> None:
    assert platform(cluster_of(), home).desired() == platform(cluster_of(), home).desired()


def test_every_mistake_at_once(home: Home) -> None:
    services = {**SERVICES, "keystone": {"mode": "active/passive"}, "nowhere": {}}
    with pytest.raises(SpecError) as caught:
        platform(cluster_of(services=services), home)
    text = "\n".join(caught.value.findings)
    assert "services.nowhere: there is no such service" in text
    assert "services.keystone.mode" in text
    assert "services.keystone.vip" in text


def test_two_services_of_one_name_are_refused() -> None:
    class One(Service):
        name = "same"
        summary = ""
        modes = (Mode.SELF,)

    class Two(One):
        name = "same"

    with pytest.raises(ValueError, match="two services are called 'same'"):
        registry.collect([One, Two])


def test_the_image_has_everything_that_the_services_need(whole: Platform) -> None:
    needed = set(whole.ctx.packages["c1"])
    assert needed == set(registry.packages_of(whole.ctx.cluster, "c1"))
    assert {"pacemaker-cli-utils", "fence-agents-ipmilan", "haproxy", "corosync"} <= needed


def test_the_agent_is_told_the_same_in_the_test_and_in_the_cluster(
    whole: Platform, document: ET.Element
) -> None:
    test = next(one.resource for one in whole.desired() if one.stage is Stage.FENCING and one.node == "c1")
    device = document.find(f"configuration/resources/primitive[@id='fence-{test.args['node']}']")
    assert device is not None
    params = {pair.get("name"): pair.get("value") for pair in device.iterfind("instance_attributes/nvpair")}
    assert {key: value for key, value in params.items() if not str(key).startswith("pcmk_")} == test.args[
        "options"
    ]
    assert test.args["agent"] == fencing.AGENT_PATH
