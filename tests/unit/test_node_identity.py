"""Accounts and the catalogue: what a look finds wrong, and that a fix changes that and nothing else."""

from __future__ import annotations

import ctypes
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from quorate.node import api, identity, openstack, sql, tools
from quorate.resources.identity import Entry, User
from quorate.resources.identity import identity as resource

PASSWORD = "correct horse"
URL = "https://10.77.1.105:9292"


def hashed(password: str) -> str:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return str(library.crypt(password.encode(), b"$2b$04$abcdefghijklmnopqrstuu").decode())


def arguments(folder: Path, url: str = "http://127.0.0.1:1/v3") -> dict[str, Any]:
    made = resource(
        "accounts",
        database="keystone",
        project="service",
        region="RegionOne",
        users=[User("glance", PASSWORD, ("admin", "service"))],
        entries=[Entry("image", "glance", URL)],
        access={
            "url": url,
            "user": "admin",
            "password": "a",
            "project": "admin",
            "cache": str(folder / "token"),
            "timeout_s": 5,
        },
        kept=str(folder / "kept"),
        wait_s=5,
    )
    assert made.secret and PASSWORD not in repr(made)
    return dict(made.args)


RIGHT = [
    ["user", "glance", "1", hashed(PASSWORD)],
    ["role", "glance", "admin"],
    ["role", "glance", "service"],
    ["service", "s1", "image", "1", "glance"],
    ["service", "s0", "identity", "1", "keystone"],
    *(["endpoint", "s1", interface, URL, "1"] for interface in ("public", "internal", "admin")),
]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the database holds."""
    held = [list(row) for row in RIGHT]

    def client(script: str, database: str = "", timeout_s: float = 1) -> tools.Done:
        assert "wsrep_sync_wait" in script and database == "keystone" and PASSWORD not in script
        return tools.Done(0, "".join("\t".join(row) + "\n" for row in held), "")

    monkeypatch.setattr(sql, "client", client)
    return held


def test_nothing_is_wrong_where_all_is_there(rows: list[list[str]], tmp_path: Path) -> None:
    assert identity.look(arguments(tmp_path)) == {"wrong": []}


def test_a_password_is_checked_once(
    rows: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert identity.look(arguments(tmp_path)) == {"wrong": []}
    kept = (tmp_path / "kept").read_text()
    assert PASSWORD not in kept and rows[0][3] not in kept
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(identity, "hashes_to", lambda *_: pytest.fail("checked again"))
    assert identity.look(arguments(tmp_path)) == {"wrong": []}


def test_another_password_is_found_though_one_was_right_before(rows: list[list[str]], tmp_path: Path) -> None:
    identity.look(arguments(tmp_path))
    rows[0][3] = hashed("somebody changed it")
    assert identity.look(arguments(tmp_path)) == {"wrong": ["account glance: has another password"]}


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda rows: rows.pop(0), "account glance: is not there"),
        (lambda rows: rows[0].__setitem__(2, "0"), "account glance: is disabled"),
        (lambda rows: rows[0].__setitem__(3, ""), "account glance: has another password"),
        (lambda rows: rows.pop(2), "account glance: lacks service in the project service"),
        (lambda rows: rows.pop(3), "catalogue image: is not there"),
        (lambda rows: rows[3].__setitem__(4, "other"), "catalogue image: is called other"),
        (lambda rows: rows[3].__setitem__(3, "0"), "catalogue image: is disabled"),
        (lambda rows: rows[-1].__setitem__(3, "https://old"), "catalogue image: leads to https://old"),
        (lambda rows: rows.pop(), "catalogue image: does not have each of admin, internal, public once"),
        (
            lambda rows: rows.append(rows[-1]),
            "catalogue image: does not have each of admin, internal, public once",
        ),
        (lambda rows: rows.append(rows[3]), "catalogue image: is there 2 times"),
    ],
)
def test_what_is_wrong_is_said(rows: list[list[str]], tmp_path: Path, change: Any, finding: str) -> None:
    change(rows)
    assert identity.look(arguments(tmp_path)) == {"wrong": [finding]}


def test_before_keystone_has_tables_everything_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tools.Done(1, "", "ERROR 1049 (42000): Unknown database 'keystone'")
    monkeypatch.setattr(sql, "client", lambda *_, **__: said)
    assert len(identity.look(arguments(tmp_path))["wrong"]) == 2


@pytest.mark.parametrize(
    ("words", "kind"), [("ERROR 2002 (HY000)", tools.NotReady), ("ERROR 1054 (42S22)", tools.Failed)]
)
def test_a_database_that_does_not_tell_is_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, kind: type[tools.Failed]
) -> None:
    monkeypatch.setattr(sql, "client", lambda *_, **__: tools.Done(1, "", words))
    with pytest.raises(tools.Failed) as raised:
        identity.look(arguments(tmp_path))
    assert type(raised.value) is kind


class Keystone(http.server.ThreadingHTTPServer):
    """As much of Keystone's API as a fix needs; keeps what it was asked to change."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.things: dict[str, list[dict[str, Any]]] = {
            "projects": [],
            "users": [],
            "roles": [{"id": "r-admin", "name": "admin"}],
            "services": [],
            "endpoints": [],
        }
        self.changes: list[tuple[str, str]] = []
        self.tokens = 0
        self.answers = 201

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v3"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Keystone

    def _answer(self, status: int, body: dict[str, Any], **headers: str) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)

    def _body(self) -> dict[str, Any]:
        size = int(self.headers.get("Content-Length") or 0)
        return dict(json.loads(self.rfile.read(size))) if size else {}

    def do_GET(self) -> None:
        place = urlparse(self.path)
        what = place.path.split("/")[2]
        if self.headers["X-Auth-Token"] != f"token-{self.server.tokens}":
            return self._answer(401, {})
        wanted = {key: value[0] for key, value in parse_qs(place.query).items()}
        found = [
            thing
            for thing in self.server.things[what]
            if all(thing.get(key) == value for key, value in wanted.items())
        ]
        return self._answer(200, {what: found})

    def do_POST(self) -> None:
        what, body = self.path.split("/")[2], self._body()
        if what == "auth":
            if self.server.answers != 201:
                return self._answer(self.server.answers, {})
            self.server.tokens += 1
            return self._answer(201, {}, X_Subject_Token=f"token-{self.server.tokens}")
        ((_, thing),) = body.items()
        thing = {"id": f"{what}-{len(self.server.things[what])}", **thing}
        self.server.things[what].append(thing)
        self.server.changes.append(("POST", self.path))
        return self._answer(201, {what.removesuffix("s"): thing})

    def do_PATCH(self) -> None:
        _, _, what, identifier = self.path.split("/")
        (thing,) = [each for each in self.server.things[what] if each["id"] == identifier]
        thing.update(next(iter(self._body().values())))
        self.server.changes.append(("PATCH", self.path))
        self._answer(200, {what.removesuffix("s"): thing})

    def do_PUT(self) -> None:
        self.server.changes.append(("PUT", self.path))
        self._answer(200, {})

    def do_DELETE(self) -> None:
        _, _, what, identifier = self.path.split("/")
        things = self.server.things[what]
        things[:] = [each for each in things if each["id"] != identifier]
        self.server.changes.append(("DELETE", self.path))
        self._answer(200, {})

    def log_message(self, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def keystone() -> Iterator[Keystone]:
    with Keystone() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def fix(keystone: Keystone, folder: Path) -> None:
    identity.fix(arguments(folder, keystone.url), {"wrong": []}, ["wrong"])


def test_all_of_it_is_made(keystone: Keystone, rows: list[list[str]], tmp_path: Path) -> None:
    rows.clear()
    fix(keystone, tmp_path)
    (user,) = keystone.things["users"]
    assert user["name"] == "glance" and user["password"] == PASSWORD and user["enabled"]
    assert [project["name"] for project in keystone.things["projects"]] == ["service"]
    assert [role["name"] for role in keystone.things["roles"]] == ["admin", "service"]
    assert sum(method == "PUT" for method, _ in keystone.changes) == 2
    (service,) = keystone.things["services"]
    assert (service["type"], service["name"]) == ("image", "glance")
    endpoints = keystone.things["endpoints"]
    assert sorted(endpoint["interface"] for endpoint in endpoints) == ["admin", "internal", "public"]
    assert {endpoint["url"] for endpoint in endpoints} == {URL}


def test_a_role_that_lacks_leaves_the_password_alone(
    keystone: Keystone, rows: list[list[str]], tmp_path: Path
) -> None:
    keystone.things["users"].append({"id": "u1", "name": "glance", "domain_id": "default"})
    rows.pop(2)
    fix(keystone, tmp_path)
    assert not [change for change in keystone.changes if change[0] == "PATCH"], "tokens would be void"


def test_a_wrong_password_is_replaced(keystone: Keystone, rows: list[list[str]], tmp_path: Path) -> None:
    keystone.things["users"].append({"id": "u1", "name": "glance", "domain_id": "default"})
    rows[0][3] = hashed("another")
    fix(keystone, tmp_path)
    assert ("PATCH", "/v3/users/u1") in keystone.changes
    assert keystone.things["users"][0]["password"] == PASSWORD
    assert not [path for _, path in keystone.changes if "/services" in path or "/endpoints" in path]


def test_a_url_is_corrected_and_what_is_too_much_goes(
    keystone: Keystone, rows: list[list[str]], tmp_path: Path
) -> None:
    service = {"id": "s1", "type": "image", "name": "glance", "enabled": True}
    keystone.things["services"] += [service, {**service, "id": "s2"}]
    place = {"service_id": "s1", "region_id": "RegionOne", "url": "https://old", "enabled": True}
    interfaces = ("public", "public", "internal", "admin")
    keystone.things["endpoints"] += [
        {"id": f"e{number}", "interface": interface, **place} for number, interface in enumerate(interfaces)
    ]
    rows[-1][3] = "https://old"
    fix(keystone, tmp_path)
    assert [service["id"] for service in keystone.things["services"]] == ["s1"]
    assert [endpoint["id"] for endpoint in keystone.things["endpoints"]] == ["e0", "e2", "e3"]
    assert {endpoint["url"] for endpoint in keystone.things["endpoints"]} == {URL}
    assert not [path for _, path in keystone.changes if "/users" in path]


def test_without_keystone_a_fix_fails_in_time(
    keystone: Keystone, rows: list[list[str]], tmp_path: Path
) -> None:
    keystone.answers = 503
    args = arguments(tmp_path, keystone.url) | {"wait_s": 0.5}
    with pytest.raises(tools.Failed, match="issues no token") as raised:
        identity.fix(args, {"wrong": []}, ["wrong"])
    assert "503" in raised.value.evidence


def test_a_token_is_kept_for_all_looks_and_replaced_when_it_is_refused(
    keystone: Keystone, tmp_path: Path
) -> None:
    access = arguments(tmp_path, keystone.url)["access"]
    first = openstack.token(access)
    assert openstack.token(access) == first and keystone.tokens == 1
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert openstack.token(access, refused=first) != first and keystone.tokens == 2


def test_an_api_is_asked_with_a_new_token_where_the_kept_one_is_void(
    keystone: Keystone, tmp_path: Path
) -> None:
    access = arguments(tmp_path, keystone.url)["access"]
    (tmp_path / "token").write_text("void")
    question = {"url": f"{keystone.url}/users", "access": access, "key": "users", "timeout_s": 5}
    state = api.look(question)
    assert state["found"] and state["status"] == 200 and keystone.tokens == 1
    assert not api.look({**question, "key": "images"})["found"]


def test_an_api_that_is_not_there_and_a_keystone_that_is_not_are_told_apart(
    keystone: Keystone, tmp_path: Path
) -> None:
    access = arguments(tmp_path, keystone.url)["access"]
    nobody = {"url": "http://127.0.0.1:1/", "access": access, "key": "users", "timeout_s": 2}
    state = api.look(nobody)
    assert state["token"] and not state["found"] and state["status"] == 0 and state["error"]
    keystone.answers = 503
    (tmp_path / "token").unlink()
    assert not api.look(nobody)["token"]
    with pytest.raises(tools.Failed, match="does not answer"):
        api.fix({**nobody, "wait_s": 0.1}, {"found": True}, ["found"])
