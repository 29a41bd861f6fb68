"""The looks at the object store on a node, against servers of twenty lines."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.drill import copies
from quorate.node import host, openstack, swift, swift_proxy, tools

RINGS = {"account": "a1", "container": "b2", "object": "c3"}


class Answers:
    """What a server says: path to JSON; anything else is 404."""

    def __init__(self) -> None:
        self.paths: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.refuse: set[str] = set()
        self.forbidden: set[str] = set()
        said = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("X-Auth-Token", "")
                said.asked.append((self.path, token))
                path = self.path.partition("?")[0]
                found = said.paths.get(path)
                status = 401 if token in said.refuse else 404 if found is None else 200
                status = 403 if path in said.forbidden else status
                body = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Answers]:
    answers = Answers()
    yield answers
    answers.server.shutdown()
    answers.server.server_close()


@pytest.fixture
def here(tmp_path: Path, server: Answers, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A storage node that works, and what it is asked."""
    (tmp_path / "d1").mkdir()
    now = time.time()
    server.paths = {
        "/healthcheck": "OK",
        "/recon/replication/account": {"replication_last": now - 5},
        "/recon/replication/container": {"replication_last": now - 6},
        "/recon/replication/object": {"replication_last": None, "object_replication_last": now - 7},
        "/recon/quarantined": {"accounts": 0, "containers": 1, "objects": 2, "policies": {}},
        "/recon/async": {"async_pending": None, "async_pending_last": None},
        "/recon/ringmd5": {f"/etc/swift/{name}.ring.gz": md5 for name, md5 in RINGS.items()},
    }
    monkeypatch.setattr(swift, "_md5", lambda path: RINGS[Path(path).name.split(".")[0]])
    monkeypatch.setattr(host, "uptime_s", lambda: 1000.0)
    monkeypatch.setattr(tools, "run", lambda argv, **_: tools.Done(3, "active\nfailed\n", ""))
    return {
        "address": "127.0.0.1",
        "ports": dict.fromkeys(RINGS, server.port),
        "peers": {"c2": "127.0.0.1"},
        "root": str(tmp_path),
        "devices": ["d1"],
        "mounted": False,
        "units": ["swift-object-replicator.service", "swift-rsync.service"],
        "timeout_s": 2.0,
    }


def test_a_node_that_works(here: dict[str, Any]) -> None:
    state = swift.look(here)
    assert state["servers"] == {"account": "", "container": "", "object": ""}
    assert state["rings"] == RINGS and state["others"] == {} and state["missing"] == []
    assert state["quarantined"] == 3 and state["pending"] == 0
    assert 0 <= state["used"]["d1"] <= 100
    assert 5 <= state["replicated_s"]["account"] < 60 and 7 <= state["replicated_s"]["object"] < 60
    assert state["stopped"] == ["swift-rsync.service"]


def test_a_peer_with_another_ring_is_named_and_a_silent_one_is_not(
    here: dict[str, Any], server: Answers
) -> None:
    server.paths["/recon/ringmd5"]["/etc/swift/object.ring.gz"] = "ff"
    assert swift.look(here)["others"] == {"c2": ["object"]}
    del server.paths["/recon/ringmd5"]
    assert swift.look(here)["others"] == {}


def test_servers_that_do_not_answer_say_why(here: dict[str, Any], server: Answers) -> None:
    del server.paths["/healthcheck"]
    assert swift.look(here)["servers"]["object"] == "answered 404"
    here["ports"] = dict.fromkeys(RINGS, 1)
    state = swift.look(here)
    assert "refused" in state["servers"]["object"] and state["replicated_s"]["object"] is None


def test_a_device_that_is_not_mounted_is_missing(here: dict[str, Any]) -> None:
    assert swift.look({**here, "mounted": True})["missing"] == ["d1"]
    assert swift.look({**here, "devices": ["d1", "d2"]})["missing"] == ["d2"]


def test_the_api_is_asked_for_the_account_of_its_own_project(
    server: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(openstack, "token", lambda access, refused="": "new" if refused else "old")
    server.refuse = {"old"}
    server.paths = {
        "/v3/auth/projects": {"projects": [{"id": "p9", "name": "other"}, {"id": "p1", "name": "admin"}]},
        "/v1/AUTH_p1": [],
    }
    base = f"http://127.0.0.1:{server.port}"
    args = {
        "url": base,
        "access": {
            "url": f"{base}/v3",
            "project": "admin",
            "timeout_s": 2.0,
            "cache": str(tmp_path / "token"),
        },
        "timeout_s": 2.0,
    }
    state = swift_proxy.look(args)
    assert state["answered"] and state["token"] and state["status"] == 200
    assert ("/v1/AUTH_p1?limit=1", "new") in server.asked
    server.asked.clear()
    monkeypatch.setattr(openstack, "token", lambda access, refused="": "new")
    assert swift_proxy.look(args)["answered"]
    assert [path for path, _ in server.asked] == ["/v1/AUTH_p1?limit=1"], "Keystone is asked once"


def test_a_project_that_keystone_knows_by_another_id_is_asked_for_again(
    server: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(openstack, "token", lambda access, refused="": "t")
    base = f"http://127.0.0.1:{server.port}"
    cache = tmp_path / "token"
    access = {"url": f"{base}/v3", "project": "admin", "timeout_s": 2.0, "cache": str(cache)}
    kept = tmp_path / "token-project"
    kept.write_text("before")
    server.paths = {"/v3/auth/projects": {"projects": [{"id": "p1", "name": "admin"}]}, "/v1/AUTH_p1": []}
    server.forbidden = {"/v1/AUTH_before"}
    state = swift_proxy.look({"url": base, "access": access, "timeout_s": 2.0})
    assert state["answered"] and kept.read_text() == "p1"
    server.forbidden = {"/v1/AUTH_p1"}
    state = swift_proxy.look({"url": base, "access": access, "timeout_s": 2.0})
    assert state["token"] and not state["answered"] and state["status"] == 403


def test_an_api_that_does_not_answer_is_no_keystone_that_does_not(
    server: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(openstack, "token", lambda access, refused="": "t")
    server.paths = {"/v3/auth/projects": {"projects": [{"id": "p1", "name": "admin"}]}}
    base = f"http://127.0.0.1:{server.port}"
    cache = str(tmp_path / "token")
    access = {"url": f"{base}/v3", "project": "admin", "timeout_s": 2.0, "cache": cache}
    state = swift_proxy.look({"url": "http://127.0.0.1:1", "access": access, "timeout_s": 2.0})
    assert state["token"] and not state["answered"] and "refused" in state["error"]
    missing = {**access, "project": "nobody", "cache": f"{cache}2"}
    state = swift_proxy.look({"url": base, "access": missing, "timeout_s": 2.0})
    assert not state["token"] and "nobody" in state["error"]


def test_an_object_is_there_unless_its_newest_file_says_that_it_was_deleted(tmp_path: Path) -> None:
    assert not copies.held(tmp_path / "none")
    (tmp_path / "1700000000.00000.data").touch()
    (tmp_path / "hashes.pkl").touch()
    assert copies.held(tmp_path)
    (tmp_path / "1700000001.00000.ts").touch()
    assert not copies.held(tmp_path)
