"""The look at a service of the user's own on a node: whether it runs there, and whether it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quorate.node import host, http, own, tcp, tools, unit

ARGS: dict[str, Any] = {
    "node": "w1", "unit": "apache2.service", "resource": "web-unit", "vip": "", "mount": "", "device": "",
    "check": {"kind": "none"}, "timeout_s": 2.0,
}  # fmt: skip
RUNS = {"file": "enabled", "active": True, "sub": "active/running"}
STOPPED = {"file": "disabled", "active": False, "sub": "inactive/dead"}


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What systemd says of the unit; the test may change it."""
    said = dict(RUNS)

    def look(args: dict[str, Any]) -> dict[str, Any]:
        assert args["name"] == "apache2.service"
        return said

    monkeypatch.setattr(unit, "look", look)
    return said


def run(monkeypatch: pytest.MonkeyPatch, answer: tools.Done | tools.Failed) -> list[list[str]]:
    """Programs that are run answer with this; which ones they were."""
    asked: list[list[str]] = []

    def stand_in(argv: list[str], **_: Any) -> tools.Done:
        asked.append(list(argv))
        if isinstance(answer, tools.Failed):
            raise answer
        return answer

    monkeypatch.setattr(tools, "run", stand_in)
    return asked


def test_one_that_runs_here_is_asked_whether_it_works(systemd: dict[str, Any]) -> None:
    state = own.look(ARGS)
    assert state["known"] and state["active"] and state["sub"] == "active/running"
    assert (state["works"], state["said"]) == (True, "its process is there")
    assert state["vip"] is state["mounted"] is state["device"] is None, "it has none of them"
    assert state["ms"] >= 0


def test_one_that_runs_elsewhere_is_not(systemd: dict[str, Any]) -> None:
    systemd.update(STOPPED)
    state = own.look({**ARGS, "check": {"kind": "command", "argv": ["/nobody/runs/this"]}})
    assert state["known"] and not state["active"] and "works" not in state


def test_a_unit_that_this_node_does_not_have(systemd: dict[str, Any]) -> None:
    systemd.update(STOPPED, file="not-found")
    assert not own.look(ARGS)["known"]


def test_where_its_things_are(
    systemd: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host, "addresses", lambda: ["10.77.1.11", "10.77.1.20"])
    (tmp_path / "disk").touch()
    has = {"vip": "10.77.1.20", "mount": "/", "device": str(tmp_path / "disk")}
    state = own.look({**ARGS, **has})
    assert state["vip"] is state["mounted"] is state["device"] is True
    lacks = {"vip": "10.77.1.21", "mount": str(tmp_path), "device": str(tmp_path / "other")}
    state = own.look({**ARGS, **lacks})
    assert state["vip"] is state["mounted"] is state["device"] is False


@pytest.mark.parametrize(
    ("said", "active"),
    [
        ("resource web-unit is running on: w1 \n", True),
        ("resource web-unit is running on: w2 \n", False),
        ("resource web-unit is running on: w11 \n", False),
        ("resource web-unit is NOT running\n", False),
        ("", False),
    ],
)
def test_an_agent_of_its_own_is_where_pacemaker_says(
    monkeypatch: pytest.MonkeyPatch, said: str, active: bool
) -> None:
    asked = run(monkeypatch, tools.Done(0, said, ""))
    state = own.look({**ARGS, "unit": ""})
    assert state["active"] is active and state["known"] and ("works" in state) is active
    assert asked == [["crm_resource", "--resource", "web-unit", "--locate"]]


def test_a_pacemaker_that_does_not_say_is_no_service_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, tools.Done(105, "", "crm_resource: Could not connect to CIB"))
    with pytest.raises(tools.Failed, match="does not say where web-unit runs") as caught:
        own.look({**ARGS, "unit": ""})
    assert "Could not connect" in caught.value.evidence


@pytest.mark.parametrize(
    ("answer", "works", "said"),
    [
        ({"status": 200}, True, "answers 200"),
        ({"status": 302}, True, "answers 302"),
        ({"status": 404}, False, "answers 404"),
        ({"status": 503}, False, "answers 503"),
        ({"status": 0, "error": "no answer within 2 s"}, False, "no answer within 2 s"),
    ],
)
def test_checked_by_http(
    systemd: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], works: bool, said: str
) -> None:
    def look(args: dict[str, Any]) -> dict[str, Any]:
        assert args == {"url": "http://127.0.0.1/", "timeout_s": 2.0}
        return answer

    monkeypatch.setattr(http, "look", look)
    state = own.look({**ARGS, "check": {"kind": "http", "url": "http://127.0.0.1/"}})
    assert (state["works"], state["said"]) == (works, said)


@pytest.mark.parametrize(
    ("answer", "works", "said"),
    [
        ({"open": True}, True, "takes connections"),
        ({"open": False, "error": "Connection refused"}, False, "Connection refused"),
    ],
)
def test_checked_by_a_connection(
    systemd: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], works: bool, said: str
) -> None:
    def look(args: dict[str, Any]) -> dict[str, Any]:
        assert args == {"host": "127.0.0.1", "port": 80, "timeout_s": 2.0}
        return answer

    monkeypatch.setattr(tcp, "look", look)
    state = own.look({**ARGS, "check": {"kind": "tcp", "host": "127.0.0.1", "port": 80}})
    assert (state["works"], state["said"]) == (works, said)


@pytest.mark.parametrize(
    ("answer", "works", "said"),
    [
        (tools.Done(0, "all well\nmore\n", ""), True, "all well"),
        (tools.Done(0, "", ""), True, "/bin/check ended with 0"),
        (tools.Done(2, "", "disk is gone\n"), False, "disk is gone"),
        (tools.Done(3, "", ""), False, "/bin/check ended with 3"),
        (tools.Failed("/bin/check did not end within 2 s"), False, "/bin/check did not end within 2 s"),
    ],
)
def test_checked_by_a_command(
    systemd: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    answer: tools.Done | tools.Failed,
    works: bool,
    said: str,
) -> None:
    asked = run(monkeypatch, answer)
    state = own.look({**ARGS, "check": {"kind": "command", "argv": ["/bin/check", "-q"]}})
    assert (state["works"], state["said"]) == (works, said)
    assert asked == [["/bin/check", "-q"]]
