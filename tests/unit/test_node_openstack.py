"""Requests to OpenStack's APIs with a node's token, against servers of a few lines."""

from __future__ import annotations

import http.server
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.node import api, keystone, openstack, tools


class Cloud:
    """Keystone and another service on one port. Tokens are t1, t2, …; which of them are good is said."""

    def __init__(self) -> None:
        self.issued, self.issues, self.attempts = 0, True, 0
        self.good = {"t1", "t2"}
        self.status, self.body = 200, b'{"things": [1]}'
        self.asked: list[tuple[str, str, str, Any]] = []
        its = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = json.loads(self.rfile.read(length)) if length else None
                token = self.headers.get("X-Auth-Token", "")
                if self.path == "/v3/auth/tokens":
                    its.issued += its.issues
                    its.attempts += 1
                    self._say(201 if its.issues else 503, b"{}", f"t{its.issued}")
                    return
                its.asked.append((self.command, self.path, token, sent))
                self._say(its.status, its.body) if token in its.good else self._say(401, b"{}")

            def _say(self, status: int, body: bytes, token: str = "") -> None:
                self.send_response(status)
                self.send_header("X-Subject-Token", token)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    its = Cloud()
    yield its
    its.server.shutdown()
    its.server.server_close()


@pytest.fixture
def access(cloud: Cloud, tmp_path: Path) -> dict[str, Any]:
    cache = str(tmp_path / "token")
    keys = {"user": "admin", "password": "pw", "project": "admin", "cache": cache}
    return {"url": f"{cloud.url}/v3", "timeout_s": 5.0, **keys}


@pytest.fixture
def its(cloud: Cloud, access: dict[str, Any]) -> openstack.Api:
    return openstack.Api("Thing", f"{cloud.url}/v1", access, 5.0)


def test_what_is_asked_and_answered(cloud: Cloud, its: openstack.Api) -> None:
    assert its.told("/things?limit=1") == {"things": [1]}
    cloud.status = 201
    assert its.told("/things", method="POST", body={"thing": 2}, good=(201,)) == {"things": [1]}
    assert cloud.asked == [
        ("GET", "/v1/things?limit=1", "t1", None),
        ("POST", "/v1/things", "t1", {"thing": 2}),
    ]
    assert cloud.issued == 1, "one token for both"


def test_a_token_that_is_refused_is_replaced_once(cloud: Cloud, its: openstack.Api) -> None:
    cloud.good = {"t2"}
    assert its.told("/things") == {"things": [1]}
    assert [token for _, _, token, _ in cloud.asked] == ["t1", "t2"]
    cloud.asked.clear()
    assert its.told("/things") == {"things": [1]}
    assert [token for _, _, token, _ in cloud.asked] == ["t2"], "the new one is kept"


def test_a_second_refusal_is_the_answer_and_may_pass(
    cloud: Cloud, its: openstack.Api, access: dict[str, Any]
) -> None:
    cloud.good = set()
    with pytest.raises(tools.NotReady, match="GET of Thing's /things answered 401"):
        its.told("/things")
    assert [token for _, _, token, _ in cloud.asked] == ["t1", "t2"]
    assert openstack.call(access, f"{cloud.url}/v1/things", timeout_s=5.0).status == 401


@pytest.mark.parametrize(
    ("status", "passes"),
    [(400, False), (403, False), (404, False), (409, False), (500, True), (502, True), (503, True)],
)
def test_what_may_pass_is_not_ready_and_a_refusal_is_not(
    cloud: Cloud, its: openstack.Api, status: int, passes: bool
) -> None:
    cloud.status, cloud.body = status, b'{"error": {"message": "because"}}'
    with pytest.raises(tools.Failed, match=f"answered {status}") as caught:
        its.told("/things")
    assert isinstance(caught.value, tools.NotReady) is passes
    assert "because" in caught.value.evidence
    assert len(cloud.asked) == 1, "another token would not help"


def test_nobody_listens(its: openstack.Api) -> None:
    with pytest.raises(tools.NotReady, match=r"Thing cannot be asked: .*refused"):
        its._replace(url="http://127.0.0.1:1").told("/things")


def test_a_server_that_says_nothing_is_given_up_in_time(its: openstack.Api, access: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(tools.NotReady, match="Thing cannot be asked: timed out"):
            its._replace(url=url, timeout_s=0.2).told("/things")
        with pytest.raises(TimeoutError):
            openstack.call(access, url, timeout_s=0.2)


def test_a_server_of_another_kind_is_no_answer(its: openstack.Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            link, _ = other.accept()
            with link:
                link.recv(4096)
                link.sendall(b"220 mail ready\r\n")

        threading.Thread(target=greet, daemon=True).start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(tools.NotReady, match="does not speak HTTP"):
            its._replace(url=url).told("/things")


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"[1, 2]", b""])
def test_what_is_no_json_object_is_empty(cloud: Cloud, its: openstack.Api, body: bytes) -> None:
    cloud.body = body
    assert its.told("/things") == {}


def test_without_a_token_nobody_else_is_asked(
    cloud: Cloud, its: openstack.Api, access: dict[str, Any]
) -> None:
    cloud.issues = False
    with pytest.raises(openstack.NoToken, match="Keystone answered 503"):
        openstack.call(access, f"{cloud.url}/v1/things", timeout_s=5.0)
    with pytest.raises(tools.NotReady, match="Thing cannot be asked: no token"):
        its.told("/things")
    with pytest.raises(openstack.NoToken, match="refused"):
        openstack.call({**access, "url": "http://127.0.0.1:1/v3"}, cloud.url, timeout_s=5.0)
    assert cloud.asked == []


def test_looks_that_come_together_share_that_keystone_cannot_be_reached(
    access: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def unreachable(where: dict[str, Any]) -> str:
        tried.append(where["url"])
        raise OSError("No route to host")

    monkeypatch.setattr(openstack, "issue", unreachable)
    with pytest.raises(OSError, match="No route"):
        openstack.token(access)
    with pytest.raises(ValueError, match="No route"):
        openstack.token(access)
    assert len(tried) == 1
    past = time.time() - openstack.SILENT_S
    os.utime(access["cache"] + ".silent", (past, past))
    with pytest.raises(OSError, match="No route"):
        openstack.token(access)


def test_a_token_past_its_time_is_used_on_while_keystone_gives_no_other(
    cloud: Cloud, its: openstack.Api, access: dict[str, Any]
) -> None:
    assert its.told("/things") == {"things": [1]}
    past = time.time() - openstack.KEPT_S - 1
    os.utime(access["cache"], (past, past))
    cloud.issues, cloud.attempts = False, 0
    assert its.told("/things") == {"things": [1]}
    assert its.told("/things") == {"things": [1]}
    assert cloud.attempts == 1, "not every look asks again"
    os.utime(access["cache"], (past, past))
    with pytest.raises(openstack.NoToken, match="Keystone answered 503"):
        openstack.call(access | {"fresh": True}, f"{cloud.url}/v1/things", timeout_s=5.0)
    cloud.good = set()
    with pytest.raises(tools.NotReady, match="no token: Keystone answered 503"):
        its.told("/things")
    cloud.issues, cloud.good = True, {"t2"}
    assert its.told("/things") == {"things": [1]} and cloud.issued == 2


def test_an_api_and_keystone_are_told_apart(cloud: Cloud, access: dict[str, Any]) -> None:
    question = {"url": f"{cloud.url}/v1/things", "access": access, "key": "things", "timeout_s": 5.0}
    state = api.look(question)
    assert (state["token"], state["status"], state["found"]) == (True, 200, True)
    cloud.good = {"t2", "t3"}
    state = api.look(question)
    assert (state["token"], state["status"], state["found"]) == (True, 200, True)
    cloud.good, cloud.issues = set(), False
    state = api.look(question)
    assert not state["token"] and "no token" in state["error"], "Keystone is at fault"


def test_keystones_own_look(cloud: Cloud, access: dict[str, Any]) -> None:
    cloud.body = b'{"projects": [{"id": "p"}]}'
    state = keystone.look(access)
    assert (state["issued"], state["listed"], state["status"]) == (True, True, 200)
    assert ("GET", "/v3/projects?name=admin", "t1", None) in cloud.asked
    cloud.body = b'{"projects": []}'
    assert not keystone.look(access)["listed"]
    cloud.status = 500
    state = keystone.look(access)
    assert state["issued"] and not state["listed"] and state["status"] == 500
    state = keystone.look({**access, "url": "http://127.0.0.1:1/v3"})
    assert state["issued"] and not state["listed"] and "refused" in state["error"]
    state = keystone.look({**access, "url": "http://127.0.0.1:1/v3", "cache": access["cache"] + "2"})
    assert not state["issued"] and "refused" in state["error"]
