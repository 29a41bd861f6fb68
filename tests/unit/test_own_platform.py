"""A service of the user's own, as a service like every other: group, front end, files, judgement."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import GOOD

from quorate.errors import PreconditionError, SpecError
from quorate.home import Home
from quorate.resources.base import Resource, Stage
from quorate.services import haproxy, own, pacemaker, vip
from quorate.services.base import Health
from quorate.services.registry import Platform, packages_of, platform
from quorate.spec.model import Cluster, ServiceSpec

DISK = {"device": "/dev/disk/by-id/quorate-web", "mount": "/srv/web"}
WEB: dict[str, Any] = {
    "unit": "apache2", "packages": ["apache2"], "mode": "active/passive", "nodes": ["c1", "c2"],
    "vip": "10.77.1.120", "port": 80, "health": {"http": "/up"}, "prefer": "c2", "storage": DISK,
    "files": {
        "/etc/apache2/ports.conf": {"content": "Listen 80\n"},
        "/srv/web/pages/index.html": {"content": "hello", "owner": "www-data"},
        "/etc/web/key": {"content": "hush", "mode": "0640"},
    },
}  # fmt: skip
BOTH: dict[str, Any] = {
    "unit": "apache2", "packages": ["apache2"], "mode": "active/active", "nodes": ["c1", "c2"],
    "vip": "10.77.1.120", "port": 80, "server_port": 8080, "health": {"http": "/up"},
}  # fmt: skip


def made(folder: Path, services: dict[str, Any], **changes: Any) -> Platform:
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True, exist_ok=True)
    for node in ("c1", "c2", "c3"):
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    data = {**copy.deepcopy(GOOD), "services": services, **changes}
    return platform(Cluster.model_validate(data), home)


def document(its: Platform) -> ET.Element:
    return ET.fromstring(pacemaker.document(its.ctx))


def on(its: Platform, node: str) -> dict[str, tuple[Stage, Resource]]:
    return {
        placed.resource.id: (placed.stage, placed.resource) for placed in its.desired() if placed.node == node
    }


def params(element: ET.Element | None) -> dict[str, str]:
    assert element is not None
    pairs = element.iterfind("instance_attributes/nvpair")
    return {str(pair.get("name")): str(pair.get("value")) for pair in pairs}


def test_a_group_starts_with_the_storage_and_lets_clients_in_at_the_end(tmp_path: Path) -> None:
    cib = document(made(tmp_path, {"web": WEB}))
    group = cib.find(".//group[@id='web']")
    beside = cib.find(".//group[@id='web-address']")
    assert group is not None and beside is not None
    ids = [[one.get("id") for one in each.iterfind("primitive")] for each in (group, beside)]
    assert ids == [["web-disk", "web-files", "web-unit", "web-open"], ["web-gate", "vip-web"]]
    together, order = cib.find(".//rsc_colocation"), cib.find(".//rsc_order")
    assert together is not None and order is not None
    assert (together.get("rsc"), together.get("with-rsc")) == ("web-address", "web")
    assert (order.get("first"), order.get("then"), order.get("kind")) == ("vip-web", "web-unit", "Mandatory")
    gates = [one for each in (beside, group) for one in each.iterfind("primitive[@type='gate']")]
    assert [params(one)["side"] for one in gates] == ["closed", "open"]
    unit = params(group.find("primitive[@id='web-unit']"))
    assert unit["unit"] == "apache2.service" and unit["target"] == "http://10.77.1.120:80/up"
    said = [pair for each in (group, beside) for pair in each.iter("nvpair")]
    requires = [pair.get("value") for pair in said if pair.get("name") == "requires"]
    assert requires == [], "nothing of it starts before a lost holder is fenced, which is Pacemaker's default"
    stops = [one for one in group.iter("op") if one.get("name") == "stop" and "vip" not in str(one.get("id"))]
    assert {one.get("on-fail") for one in stops} == {"fence"}


def test_its_address_is_not_colocated_with_the_balancer(tmp_path: Path) -> None:
    its = made(tmp_path, {"web": WEB})
    assert vip.addresses(its.ctx) == {} and its.vips == {"web": "10.77.1.120"}
    cib = document(its)
    assert {one.get("with-rsc") for one in cib.iter("rsc_colocation")} == {"web"}
    assert its.ctx.frontends == ()


@pytest.mark.parametrize(("failback", "above"), [(False, False), (True, True)])
def test_it_goes_back_only_where_that_is_wanted(tmp_path: Path, failback: bool, above: bool) -> None:
    cib = document(made(tmp_path, {"web": {**WEB, "failback": failback}}))
    location = cib.find(".//rsc_location[@rsc='web'][@node='c2']")
    group = cib.find(".//group[@id='web']")
    assert location is not None and group is not None
    stickiness = 100 * len(list(group))
    assert (int(str(location.get("score"))) > stickiness) is above
    assert int(str(location.get("score"))) > 0


def test_it_is_kept_off_the_nodes_that_are_not_its(tmp_path: Path) -> None:
    its = made(tmp_path, {"web": WEB})
    rule = document(its).find(".//rsc_location[@rsc='web'][@resource-discovery='never']/rule")
    assert rule is not None and rule.get("score") == "-INFINITY"
    assert {one.get("value") for one in rule.iter("expression")} == {"c1", "c2"}
    assert not [key for key in on(its, "c3") if "apache2" in key or "/srv/web" in key]
    assert "apache2" in packages_of(its.ctx.cluster, "c1")
    assert "nftables" in packages_of(its.ctx.cluster, "c1")
    assert "apache2" not in packages_of(its.ctx.cluster, "c3")


def test_files_are_where_they_belong(tmp_path: Path) -> None:
    there = on(made(tmp_path, {"web": WEB}), "c1")
    stage, copied = there["file:/var/lib/quorate/own/web/pages/index.html"]
    assert stage is Stage.CONFIG and copied.desired["owner"] == "www-data"
    assert there["directory:/var/lib/quorate/own/web/pages"][1].args["keep"] == ["index.html"]
    assert there["directory:/var/lib/quorate/own/web"][1].args["keep"] == ["pages"]
    shared = there["shared_file:/srv/web/pages/index.html"][1]
    assert shared.args["mount"] == "/srv/web" and shared.args["want"]["owner"] == "www-data"
    assert "file:/srv/web/pages/index.html" not in there
    assert there["file:/etc/web/key"][1].secret and not there["file:/etc/apache2/ports.conf"][1].secret
    unit = there["unit:apache2.service"][1]
    assert unit.desired["file"] == "disabled", "Pacemaker starts it, not the boot"
    assert set(unit.args["restart_on"]) == set(WEB["files"])
    assert there["shared_filesystem:/dev/disk/by-id/quorate-web"][0] is Stage.STORAGE


def test_a_file_beside_the_spec_is_read_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    spec = {**WEB, "files": {"/etc/web.bin": {"source": "site/web.bin"}}}
    its = made(tmp_path, {"web": spec})
    with pytest.raises(PreconditionError) as caught:
        its.desired()
    assert caught.value.where == "services.web.files./etc/web.bin.source"
    (tmp_path / "demo" / "site").mkdir()
    (tmp_path / "demo" / "site" / "web.bin").write_bytes(b"\xff\x00")
    assert on(its, "c1")["file:/etc/web.bin"][1].args["content_b64"] == "/wA="


def test_an_agent_is_started_anew_when_its_files_change(tmp_path: Path) -> None:
    def digest(content: str) -> dict[str, str]:
        spec = {"agent": "ocf:heartbeat:Dummy", "parameters": {"state": "/run/d"},
                "files": {"/etc/d": {"content": content}}}  # fmt: skip
        return params(document(made(tmp_path, {"d": spec})).find(".//primitive[@id='d-agent']"))

    one, same, other = digest("a"), digest("a"), digest("b")
    assert one == same and one["state"] == "/run/d"
    assert one["quorate_files"] != other["quorate_files"]


def test_active_active_is_a_clone_behind_the_balancer_on_its_nodes_only(tmp_path: Path) -> None:
    its = made(tmp_path, {"web": BOTH})
    cib = document(its)
    assert params(cib.find(".//clone[@id='web-clone']/primitive"))["target"] == "http://127.0.0.1:8080/up"
    assert cib.find(".//rsc_location[@rsc='web-clone'][@resource-discovery='never']") is not None
    assert cib.find(".//rsc_colocation[@rsc='vip-web']") is not None
    text = haproxy.configuration(its.ctx, "c1")
    section = text[text.index("frontend web") :]
    assert "bind 10.77.1.120:80\n" in section and " ssl crt " not in section
    assert "server c1 10.77.0.11:8080 check" in section and "server c3" not in section
    assert "uri /up" in section and "expect status 200-399" in section
    assert not [key for key in on(its, "c1") if key.endswith("web.pem")]


def test_active_active_with_tls_and_one_that_only_takes_connections(tmp_path: Path) -> None:
    its = made(tmp_path, {"web": {**BOTH, "tls": True}})
    assert "file:/etc/haproxy/tls/web.pem" in on(its, "c3")
    assert "bind 10.77.1.120:80 ssl crt /etc/haproxy/tls/web.pem" in haproxy.configuration(its.ctx, "c1")
    plain = made(tmp_path, {"web": {**BOTH, "health": {"tcp": True}}})
    text = haproxy.configuration(plain.ctx, "c1")
    section = text[text.index("frontend web") :]
    assert "mode tcp" in section and "httpchk" not in section


def test_two_front_ends_on_one_address_and_port_are_refused(tmp_path: Path) -> None:
    services = {
        "galera": {}, "web": {**BOTH, "port": 3306, "vip": None},
    }  # fmt: skip
    with pytest.raises(SpecError) as caught:
        made(tmp_path, services, vips={"policy": "shared", "address": "10.77.1.100"})
    assert "services.web: port 3306 of 10.77.1.100 is galera's" in caught.value.findings[0]


def state(**changes: Any) -> dict[str, Any]:
    return {
        "known": True, "active": True, "sub": "active/running", "vip": True, "mounted": True, "device": True,
        "works": True, "said": "answers 200", "ms": 3, **changes,
    }  # fmt: skip


PASSIVE = {"active": False, "sub": "inactive/dead", "vip": False, "mounted": False}


@pytest.mark.parametrize(
    ("changes", "health", "words"),
    [
        ({}, Health.OK, "active here: answers 200"),
        ({"works": False, "said": "answers 500"}, Health.FAILED, "answers 500"),
        ({"vip": False}, Health.DEGRADED, "started by hand"),
        (PASSIVE, Health.OK, "passive, ready"),
        ({**PASSIVE, "known": False}, Health.FAILED, "no unit apache2.service"),
        ({**PASSIVE, "device": False}, Health.FAILED, "does not see the disk"),
        ({**PASSIVE, "vip": True}, Health.FAILED, "has its virtual IP, but"),
        ({**PASSIVE, "mounted": True}, Health.DEGRADED, "has its storage, but"),
    ],
)
def test_a_node_is_judged_by_what_it_has_to_do(changes: dict[str, Any], health: Health, words: str) -> None:
    spec = ServiceSpec.model_validate(WEB)
    found = own.one(state(**changes), "apache2.service", "web", spec)
    assert found.health is health and words in found.text
    assert found.health is Health.OK or found.next_step


def test_of_active_active_every_node_has_to_work() -> None:
    assert own.both(state(), "a.service").health is Health.OK
    assert own.both(state(works=False, said="answers 503"), "a.service").health is Health.FAILED
    assert own.both(state(active=False, sub="failed/failed"), "a.service").health is Health.FAILED
