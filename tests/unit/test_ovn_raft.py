"""OVN's databases: who begins a cluster, who joins it, and how members are restarted and timed."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from guest_things import STATUS, Node, guests
from service_things import on

from quorate.node import raft, raft_file, tools
from quorate.node import unit as node_unit

CONTROLLERS = ("c1", "c2", "c3")


def making(path: Path, **changes: Any) -> dict[str, Any]:
    args = {
        "path": str(path),
        "database": "OVN_Northbound",
        "schema": "/schema",
        "local": "10.77.0.11:6643",
        "peers": ["127.0.0.1:1"],
        "first": True,
        "election_timer_ms": 2000,
    }
    return {**args, **changes}


def test_the_first_begins_where_no_peer_has_a_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = Node(monkeypatch, {"ovsdb-tool": ""})
    raft_file.fix(making(tmp_path / "nb.db"), {"made": True}, ["made"])
    assert node.ran[0][2] == "create-cluster" and "--election-timer=2000" in node.ran[0]


def test_the_first_joins_where_a_peer_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = Node(monkeypatch, {"ovsdb-tool": ""})
    with socket.create_server(("127.0.0.1", 0)) as peer:
        args = making(tmp_path / "nb.db", peers=[f"127.0.0.1:{peer.getsockname()[1]}"])
        raft_file.fix(args, {"made": True}, ["made"])
    assert node.ran[0][1] == "join-cluster"


def test_nobody_begins_while_a_peer_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = Node(monkeypatch, {"ovsdb-tool": ""})

    def silent(*_: Any, **__: Any) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(tools.Failed, match="a second cluster must not begin"):
        raft_file.fix(making(tmp_path / "nb.db"), {"made": True}, ["made"])
    assert not node.ran


def test_a_file_of_another_kind_stays(tmp_path: Path) -> None:
    path = tmp_path / "nb.db"
    path.write_bytes(b"OVSDB JSON 1 2\n")
    assert raft_file.look({"path": str(path)}) == {"made": False}
    with pytest.raises(tools.Failed, match="no clustered database"):
        raft_file.fix(making(path), {"made": True}, ["made"])
    assert path.read_bytes() == b"OVSDB JSON 1 2\n"


def test_the_leader_sets_the_election_timer_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    timer = [1000]

    def run(argv: list[str], **_: Any) -> tools.Done:
        if "cluster/change-election-timer" in argv:
            assert int(argv[-1]) <= 2 * timer[0], "ovsdb-server refuses more than double"
            timer[0] = int(argv[-1])
            return tools.Done(0, "change of election timer initiated.", "")
        shown = STATUS.format(role="leader", leader="self", silent=5)
        return tools.Done(0, shown.replace("timer: 2000", f"timer: {timer[0]}"), "")

    monkeypatch.setattr(tools, "run", run)
    monkeypatch.setattr(tools, "POLL_S", 0.0)
    desired = {"election_timer_ms": 5000}
    raft.fix({"control": "x", "database": "OVN_Northbound", "wait_s": 5.0}, desired, ["election_timer_ms"])
    assert timer == [5000]


def test_members_are_restarted_one_after_the_other_and_waited_for(tmp_path: Path) -> None:
    joined = on(guests(tmp_path), "c2")["raft:OVN's SB database"]
    assert joined.serial and joined.args["unit"] == "ovn-ovsdb-server-sb.service"
    assert set(joined.args["restart_on"]) >= {"/etc/default/ovn-central", "/etc/ovn/quorate-sb.json"}
    # Whoever leads sets the timer, so nobody may have to wait for his turn.
    assert not on(guests(tmp_path / "again"), "c2")["raft:OVN's SB database: election timer"].serial


def test_a_member_with_older_files_is_restarted_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    restarted: list[str] = []
    monkeypatch.setattr(node_unit, "look", lambda args: {"stale": not restarted})
    monkeypatch.setattr(node_unit, "fix", lambda args, desired, wrong: restarted.append(args["name"]))
    answers = iter(
        (
            tools.Done(1, "", "no socket"),
            tools.Done(0, STATUS.format(role="follower", leader="dea2", silent=1), ""),
        )
    )
    monkeypatch.setattr(tools, "run", lambda *_, **__: next(answers))
    monkeypatch.setattr(tools, "POLL_S", 0.0)
    args = {"control": "x", "database": "OVN_Northbound", "unit": "nb", "restart_on": [], "wait_s": 5.0}
    raft.fix(args, {"status": "cluster member", "leads": True, "stale": False}, ["stale"])
    assert restarted == ["nb"] and next(answers, None) is None
