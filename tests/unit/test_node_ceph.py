"""The half of Ceph that runs on the nodes: what it refuses, and how it asks."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from quorate.node import ceph, ceph_mon, ceph_osd, tools
from quorate.services.rendering import TEMPLATES

UUID = "1aa8ff64-8e30-540a-85d1-ff0362133c37"


def store(folder: Path, **files: str) -> dict[str, Any]:
    """The args of osd.0 whose folder holds ``files``."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text + "\n")
    names = {"number": 0, "uuid": UUID, "fsid": "f", "folder": str(folder), "device": ""}
    return {**names, "key": "k", "timeout_s": 0.0}


def test_an_osd_is_made_when_its_store_says_so(tmp_path: Path) -> None:
    args = store(tmp_path / "osd", whoami="0", fsid=UUID, ceph_fsid="f")
    assert ceph_osd.look(args) == {"made": False}
    assert ceph_osd.look(store(tmp_path / "osd", ready="ready")) == {"made": True}


def test_another_osd_in_its_place_is_not_touched(tmp_path: Path) -> None:
    args = store(tmp_path / "osd", whoami="7", fsid=UUID, ceph_fsid="f", ready="ready")
    with pytest.raises(tools.Failed, match="another OSD"):
        ceph_osd.look(args)


def osd_map(**entry: Any) -> str:
    return json.dumps({"osds": [{"osd": 0, "uuid": UUID, "up_from": 0, **entry}]})


def answering(monkeypatch: pytest.MonkeyPatch, dump: str) -> list[dict[str, Any]]:
    """Monitors that say ``dump`` and take every other command; the commands."""
    commands: list[dict[str, Any]] = []

    def answers(steps: list[dict[str, Any]], client: str, timeout_s: float) -> list[dict[str, Any]]:
        commands.extend(step["command"] for step in steps)
        return [{"code": 0, "out": dump, "err": ""} for _ in steps]

    monkeypatch.setattr(ceph, "answers_of", answers)
    return commands


def test_an_osd_whose_data_is_gone_is_not_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands = answering(monkeypatch, osd_map(up_from=12))
    with pytest.raises(tools.Failed, match="has held data") as caught:
        ceph_osd.fix(store(tmp_path / "osd"), {}, ["made"])
    assert "ceph osd destroy 0" in str(caught.value)
    assert [one["prefix"] for one in commands] == ["osd dump"]


def test_one_that_never_came_up_is_registered_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands = answering(monkeypatch, osd_map())
    ceph_osd._register(store(tmp_path / "osd"))
    assert [one["prefix"] for one in commands] == ["osd dump", "osd new"]
    assert (commands[1]["uuid"], commands[1]["id"]) == (UUID, 0)


def test_without_monitors_an_osd_waits_only_so_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def silent(*_: object) -> list[dict[str, Any]]:
        raise tools.NotReady("no monitor in quorum answers")

    monkeypatch.setattr(ceph, "answers_of", silent)
    with pytest.raises(tools.Failed, match="no monitor"):
        ceph_osd._register(store(tmp_path / "osd"))


def test_a_device_with_another_osd_on_it_is_refused(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"bluestore block device\n" + b"x" * 36 + b"\0" * 4096)
    with pytest.raises(tools.Failed, match="another OSD"):
        ceph_osd._refuse_foreign(str(device), UUID)
    device.write_bytes(b"bluestore block device\n" + UUID.encode() + b"\0" * 4096)
    ceph_osd._refuse_foreign(str(device), UUID)


@pytest.mark.parametrize(("found", "refused"), [(2, False), (0, True), (8, True)])
def test_a_device_that_holds_anything_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: int, refused: bool
) -> None:
    device = tmp_path / "device"
    device.write_bytes(b"\0" * 8192)
    monkeypatch.setattr(tools, "run", lambda *_, **__: tools.Done(found, "TYPE=ext4", ""))
    if refused:
        with pytest.raises(tools.Failed, match="not empty"):
            ceph_osd._refuse_foreign(str(device), UUID)
    else:
        ceph_osd._refuse_foreign(str(device), UUID)


def test_an_osd_larger_than_the_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tools.Failed, match="osd_size_gib"):
        ceph_osd._refuse_small(str(tmp_path), 1 << 40)
    ceph_osd._refuse_small(str(tmp_path), -(1 << 40))


def test_a_monitor_is_not_made_anew_where_its_cluster_is_silent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def silent(*_: object) -> list[str]:
        raise tools.NotReady("no monitor in quorum answers")

    monkeypatch.setattr(ceph, "ask", silent)
    monkeypatch.setattr(ceph_mon, "OSDS", str(tmp_path))
    ceph_mon._refuse_a_second_cluster()
    (tmp_path / "ceph-0").mkdir()
    (tmp_path / "ceph-0" / "ready").write_text("ready\n")
    with pytest.raises(tools.Failed, match="ceph-0"):
        ceph_mon._refuse_a_second_cluster()


def test_a_daemon_is_asked_at_its_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ceph, "SOCKETS", str(tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "ceph-osd.0.asok"))
        server.listen(1)
        heard: list[bytes] = []

        def serve() -> None:
            link, _ = server.accept()
            heard.append(link.recv(4096))
            said = json.dumps({"state": "active"}).encode()
            link.sendall(struct.pack(">I", len(said)) + said)
            link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert ceph.daemon("osd.0", "status", 2.0) == {"state": "active"}
        thread.join(2)
    assert heard[0].endswith(b"\0")
    assert json.loads(heard[0][:-1])["prefix"] == "status"


def test_a_daemon_that_is_not_there_is_an_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ceph, "SOCKETS", str(tmp_path))
    monkeypatch.setattr(ceph, "PROGRAM", str(tmp_path / "none"))
    args = {"node": "c1", "mon": True, "osds": [0], "client": "quorate", "timeout_s": 1}
    found = ceph.look(args)
    assert "error" in found["mon"]
    assert "error" in found["osds"]["0"]
    assert "error" in found["cluster"]


def test_a_refusal_shows_the_command_and_not_the_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "ask"
    program.write_text(
        '#!/bin/sh\ncat > /dev/null; echo \'{"answers": [{"code": 13, "out": "", "err": "denied"}]}\'\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(ceph, "PROGRAM", str(program))
    with pytest.raises(tools.Failed, match="auth import") as caught:
        ceph.ask([ceph.mon({"prefix": "auth import"}, "SECRET")], "admin", 1.0)
    assert "denied" in caught.value.evidence
    assert "SECRET" not in str(caught.value) + caught.value.evidence


STAND_IN = """
import atexit, os

class Error(Exception):
    errno = 5

class Rados:
    def __init__(self, **_):
        atexit.register(os._exit, 134)
    def connect(self):
        if os.environ.get("SILENT"):
            raise Error("timed out")
    def mon_command(self, words, data, timeout):
        return 0, b"said", ""
"""
"""librados as it ends: what its threads find gone after an orderly end of the program kills that."""


@pytest.mark.parametrize(
    ("silent", "told"),
    [
        ("", {"answers": [{"code": 0, "out": "said", "err": ""}]}),
        ("yes", {"error": "timed out"}),
    ],
)
def test_the_program_ends_before_the_library_is_taken_down(
    tmp_path: Path, silent: str, told: dict[str, Any]
) -> None:
    (tmp_path / "rados.py").write_text(STAND_IN)
    request = {"client": "quorate", "timeout_s": 1, "steps": [ceph.mon({"prefix": "status"})]}
    done = subprocess.run(
        [sys.executable, TEMPLATES / "ceph" / "ask.py"],
        input=json.dumps(request).encode(),
        env={"PYTHONPATH": str(tmp_path), "SILENT": silent},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == told
