"""The dashboard: a session made on one controller is good on every other."""

from __future__ import annotations

import ast
import re
import sys
import types
from pathlib import Path

import pytest
from openstack_things import cloud, parsed
from service_things import NODES, VIPS, on, plane, text

from quorate.services.base import Health
from quorate.services.clients.dashboard import TOKEN
from quorate.services.horizon import BOUNDED, CONFIG, SECRET_KEY, SETTINGS, judge

PACKAGED = "_0006_debian_cache.py"
"""Debian's snippet with a cache in each process."""


def values(content: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in ast.parse(content).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def test_settings_are_the_same_but_for_the_nodes_own_address(tmp_path: Path) -> None:
    its = plane(tmp_path)
    found = [values(text(its, node, SETTINGS)) for node in NODES]
    for node, one in zip(NODES, found, strict=True):
        hosts = one.pop("ALLOWED_HOSTS")
        assert isinstance(hosts, list) and VIPS["horizon"] in hosts
        assert its.ctx.cluster.address(node) in hosts and "*" not in hosts
    assert found[0] == found[1] == found[2]


def test_sessions_survive_a_change_of_controller(tmp_path: Path) -> None:
    its = plane(tmp_path)
    found = values(text(its, "c1", SETTINGS))
    assert str(found["SESSION_ENGINE"]).endswith("signed_cookies")
    caches = found["CACHES"]
    assert isinstance(caches, dict) and "LocMem" not in caches["default"]["BACKEND"]
    assert len(caches["default"]["LOCATION"]) == 3
    keys = {on(its, node)[f"file:{SECRET_KEY}"].desired["sha256"] for node in NODES}
    assert len(keys) == 1
    assert on(its, "c1")[f"file:{SECRET_KEY}"].secret
    assert SETTINGS.rpartition("/")[2] > PACKAGED, "read after it"


def test_cookies_travel_over_tls_only_and_the_proxy_is_believed(tmp_path: Path) -> None:
    found = values(text(plane(tmp_path), "c1", SETTINGS))
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert f"https://{VIPS['horizon']}" in found["CSRF_TRUSTED_ORIGINS"]  # type: ignore[operator]
    assert found["OPENSTACK_KEYSTONE_URL"] == f"https://{VIPS['keystone']}:5000/v3"
    assert found["DEBUG"] is False


def test_other_names_and_memcached_sessions_by_choice(tmp_path: Path) -> None:
    its = plane(tmp_path, horizon={"hosts": ["cloud.example.org"], "sessions": "memcached"})
    found = values(text(its, "c2", SETTINGS))
    assert "cloud.example.org" in found["ALLOWED_HOSTS"]  # type: ignore[operator]
    assert str(found["SESSION_ENGINE"]).endswith("backends.cache")


def test_images_go_to_glance_straight_unless_chosen_otherwise(tmp_path: Path) -> None:
    mode = "HORIZON_IMAGES_UPLOAD_MODE"
    assert values(text(plane(tmp_path / "a"), "c1", SETTINGS))[mode] == "direct"
    its = plane(tmp_path / "b", horizon={"uploads": "legacy"})
    assert values(text(its, "c1", SETTINGS))[mode] == "legacy"


def test_glance_lets_pages_of_the_dashboard_in_under_all_its_names(tmp_path: Path) -> None:
    named = {"vip": VIPS["horizon"], "options": {"hosts": ["cloud.example.org"]}}
    its = cloud(tmp_path, glance={}, horizon=named)
    origins = parsed(text(its, "c1", "/etc/glance/glance-api.conf"))["cors"]["allowed_origin"].split(",")
    assert origins == [f"https://{VIPS['horizon']}", "https://horizon.demo", "https://cloud.example.org"]


@pytest.mark.parametrize(
    ("given", "body", "limits"),
    [
        (None, None, (10, 25)),
        (None, b"new", (10, 25)),
        (600.0, None, (10, 25)),
        (600.0, b"image", 600.0),
    ],
)
def test_every_request_to_a_service_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: float | None, body: bytes | None, limits: object
) -> None:
    sent: list[object] = []

    class HTTPAdapter:
        def send(self, request: object, stream: bool = False, timeout: object = None, **rest: object) -> None:
            sent.append(timeout)

    adapters = types.ModuleType("requests.adapters")
    adapters.HTTPAdapter = HTTPAdapter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "requests.adapters", adapters)
    exec(text(plane(tmp_path), "c1", BOUNDED), {})
    HTTPAdapter().send(types.SimpleNamespace(body=body), timeout=given)
    assert sent == [limits]


@pytest.mark.parametrize("node", NODES)
def test_apache_listens_on_its_own_addresses_only(tmp_path: Path, node: str) -> None:
    its = plane(tmp_path)
    apache = text(its, node, CONFIG)
    assert re.findall(r"^Listen (.*)$", apache, re.M) == [
        f"{its.ctx.cluster.address(node)}:8080",
        "127.0.0.1:8080",
    ]
    assert f"X-Served-By {node}" in apache
    assert on(its, node)["unit:apache2.service"].desired == {"file": "disabled", "active": False}


def test_the_form_is_found_as_django_writes_it() -> None:
    page = '<form><input type="hidden" name="csrfmiddlewaretoken" value="abcDEF123"></form>'
    found = TOKEN.search(page)
    assert found and found[1] == "abcDEF123"


@pytest.mark.parametrize(
    ("state", "health"),
    [
        ({"status": 200, "match": True, "seconds": 0.05}, Health.OK),
        ({"status": 200, "match": False, "seconds": 0.05}, Health.FAILED),
        ({"status": 0, "error": "refused"}, Health.FAILED),
    ],
)
def test_health_is_a_log_in_page(state: dict[str, object], health: Health) -> None:
    assert judge(state).health is health and judge(state).text
