"""etcd: what a member is told, who begins a cluster and who joins one, and what its answers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openstack_things import cloud
from service_things import on, settings, text

from quorate.errors import QuorateError
from quorate.node import etcd, etcd_ask, etcd_data, etcd_lock, tools
from quorate.resources.base import Stage
from quorate.services.base import Health, Outside
from quorate.services.clients import coordination
from quorate.services.etcd import DATA, DEFAULTS, EtcdOptions, judge

MEMBERS = {"c1": "https://10.77.0.11:2380", "c2": "https://10.77.0.12:2380", "c3": "https://10.77.0.13:2380"}
GOOD = {
    "joined": True, "leads": False, "missing": [], "strangers": [], "alarms": [], "written": True,
    "error": "", "ms": 7,
}  # fmt: skip


def args(tmp_path: Path, node: str = "c3") -> dict[str, Any]:
    return {
        "node": node,
        "address": "10.77.0.13",
        "port": 2379,
        "members": MEMBERS,
        "tls": str(tmp_path),
        "data": str(tmp_path / "data"),
        "initial": str(tmp_path / "initial"),
        "timeout_s": 1.0,
        "write": True,
    }


class Peers:
    """The other members: who answers, and the cluster that they have."""

    def __init__(self, answers: dict[str, Exception | None], members: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.members = members
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def ask(self, _: Any, path: str, body: Any = None, *, address: str = "") -> dict[str, Any]:
        error = self.answers[address]
        if error is not None:
            raise error
        self.asked.append((path, body or {}))
        if path.endswith("/remove"):
            self.members = [one for one in self.members if one["ID"] != body["ID"]]
        if path.endswith("/add"):
            self.members = [*self.members, {"ID": "9", "peerURLs": body["peerURLs"]}]
        return {"members": self.members}


def use(monkeypatch: pytest.MonkeyPatch, peers: Peers) -> Peers:
    monkeypatch.setattr(etcd_ask, "ask", peers.ask)
    return peers


def test_a_member_listens_on_the_cluster_network_only_and_with_certificates(tmp_path: Path) -> None:
    its = cloud(tmp_path, etcd={})
    said = settings(text(its, "c2", DEFAULTS))
    assert said["ETCD_LISTEN_CLIENT_URLS"] == "https://10.77.0.12:2379"
    assert said["ETCD_LISTEN_PEER_URLS"] == "https://10.77.0.12:2380"
    assert said["ETCD_CLIENT_CERT_AUTH"] == said["ETCD_PEER_CLIENT_CERT_AUTH"] == "true"
    assert said["ETCD_NAME"] == "c2"
    assert "ETCD_INITIAL_CLUSTER" not in said


def test_haproxy_leads_from_127_0_0_1_and_no_other_address_to_members_that_have_a_quorum(
    tmp_path: Path,
) -> None:
    config = text(cloud(tmp_path, etcd={}), "c1", "/etc/haproxy/haproxy.cfg")
    front = config[config.index("frontend etcd") : config.index("backend etcd")]
    assert [line.strip() for line in front.splitlines() if "bind" in line] == ["bind 127.0.0.1:2379"]
    back = config[config.index("backend etcd") :]
    assert "mode tcp" in back and "uri /health" in back
    assert "server c3 10.77.0.13:2379 check port 2381" in back


def test_nobody_starts_before_it_is_known_who_begins(tmp_path: Path) -> None:
    stages = {
        placed.resource.id: placed.stage
        for placed in cloud(tmp_path, etcd={}).desired()
        if placed.node == "c1"
    }
    assert stages[f"etcd_data:{DATA}"] is Stage.CONFIG
    assert stages["background:etcd.service"] > stages[f"etcd_data:{DATA}"]
    unit = text(cloud(tmp_path / "b", etcd={}), "c1", "/etc/systemd/system/etcd.service.d/quorate.conf")
    assert "ExecStartPre" in unit and "Restart=always" in unit


def test_one_restarts_at_a_time_when_files_change(tmp_path: Path) -> None:
    current = on(cloud(tmp_path, etcd={}), "c1")["unit:etcd.service: has read its files"]
    assert current.serial and current.args["restart_on"]


def test_an_election_takes_five_heartbeats_at_least() -> None:
    with pytest.raises(ValueError, match="five times"):
        EtcdOptions(heartbeat_ms=500, election_ms=1000)


def test_a_cluster_begins_where_nobody_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ConnectionRefusedError()
    use(monkeypatch, Peers({"10.77.0.11": refused, "10.77.0.12": refused}, []))
    assert etcd_data.look(args(tmp_path)) == {"made": False}
    etcd_data.fix(args(tmp_path), {"made": True}, ["made"])
    said = settings((tmp_path / "initial").read_text())
    assert said["ETCD_INITIAL_CLUSTER_STATE"] == "new"
    assert said["ETCD_INITIAL_CLUSTER"] == ",".join(f"{node}={url}" for node, url in MEMBERS.items())
    assert etcd_data.look(args(tmp_path)) == {"made": True}


def test_nobody_begins_while_a_peer_keeps_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Peers({"10.77.0.11": ConnectionRefusedError(), "10.77.0.12": TimeoutError()}, []))
    with pytest.raises(tools.Failed, match="c2 cannot be asked"):
        etcd_data.fix(args(tmp_path), {"made": True}, ["made"])
    assert not (tmp_path / "initial").exists()


def test_a_member_that_lost_its_data_joins_as_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [
        {"ID": str(n), "name": node, "peerURLs": [url]} for n, (node, url) in enumerate(MEMBERS.items())
    ]
    peers = use(monkeypatch, Peers({"10.77.0.11": None, "10.77.0.12": TimeoutError()}, members))
    (tmp_path / "data" / "member" / "snap").mkdir(parents=True)
    etcd_data.fix(args(tmp_path), {"made": True}, ["made"])
    changes = [(path.rpartition("/")[2], body) for path, body in peers.asked if body]
    assert changes == [("remove", {"ID": "2"}), ("add", {"peerURLs": [MEMBERS["c3"]]})]
    said = settings((tmp_path / "initial").read_text())
    assert said["ETCD_INITIAL_CLUSTER_STATE"] == "existing"
    assert set(said["ETCD_INITIAL_CLUSTER"].split(",")) == {f"{node}={url}" for node, url in MEMBERS.items()}
    assert not (tmp_path / "data").exists()
    assert etcd_data.look(args(tmp_path)) == {"made": True}


def test_a_start_that_failed_leaves_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / "member" / "snap").mkdir(parents=True)
    (tmp_path / "initial").write_text("ETCD_INITIAL_CLUSTER_STATE=new\n")
    known = [{"ID": "3", "name": "c3", "peerURLs": [MEMBERS["c3"]]}]
    use(monkeypatch, Peers({"10.77.0.11": None, "10.77.0.12": None}, known))
    assert etcd_data.look(args(tmp_path)) == {"made": False}, "the others remember it: it has to join anew"
    (tmp_path / "data" / "member" / "wal").mkdir()
    (tmp_path / "data" / "member" / "wal" / "0-0.wal").touch()
    assert etcd_data.look(args(tmp_path)) == {"made": True}


def test_a_look_writes_reads_and_compares_the_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, str] = {}
    found = [
        {"ID": "1", "name": "c1", "peerURLs": [MEMBERS["c1"]]},
        {"ID": "2", "peerURLs": [MEMBERS["c2"]]},
        {"ID": "3", "name": "c3", "peerURLs": [MEMBERS["c3"]]},
        {"ID": "4", "name": "old", "peerURLs": ["https://10.77.0.14:2380"]},
    ]

    def ask(_: Any, path: str, body: Any = None, **__: Any) -> dict[str, Any]:
        if path.endswith("/put"):
            kept[body["key"]] = body["value"]
        if path.endswith("/range"):
            return {"kvs": [{"value": kept[body["key"]]}]}
        if path.endswith("/status"):
            return {"leader": "3", "header": {"member_id": "3"}}
        return {"members": found, "alarms": [{"alarm": "NOSPACE"}]}

    monkeypatch.setattr(etcd_ask, "ask", ask)
    state = etcd.look(args(tmp_path))
    assert state["joined"] and state["leads"] and state["written"]
    assert state["missing"] == ["c2"], "added, and never seen"
    assert state["strangers"] == ["old"]
    assert state["alarms"] == ["NOSPACE"]


def test_whom_to_begin_with_is_forgotten_once_it_has_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "initial").touch()
    (tmp_path / "data" / "member" / "wal").mkdir(parents=True)
    (tmp_path / "data" / "member" / "wal" / "0-0.wal").touch()
    state = {**GOOD, "initial": True}
    monkeypatch.setattr(etcd, "look", lambda _: dict(state))
    wanted = {"joined": True, "missing": [], "initial": False}
    etcd.fix({**args(tmp_path), "wait_s": 0.1}, wanted, ["initial"])
    assert not (tmp_path / "initial").exists()


@pytest.mark.parametrize(
    ("said", "health", "words"),
    [
        ({}, Health.OK, "7 ms"),
        ({"leads": True}, Health.OK, "leader"),
        ({"joined": False, "written": False, "error": "Connection refused"}, Health.FAILED, "takes no part"),
        ({"written": False, "error": "no answer in time"}, Health.FAILED, "nothing can be locked"),
        ({"alarms": ["NOSPACE"]}, Health.FAILED, "NOSPACE"),
        ({"missing": ["c2"]}, Health.DEGRADED, "without c2"),
        ({"strangers": ["c9"]}, Health.DEGRADED, "c9"),
    ],
)
def test_what_an_answer_means(said: dict[str, Any], health: Health, words: str) -> None:
    judgement = judge(GOOD | said)
    assert judgement.health is health
    assert words in judgement.text
    assert bool(judgement.next_step) is (health is not Health.OK)


class Locks:
    """A lock as etcd keeps it, or one that everybody gets."""

    def __init__(self, *, broken: bool = False) -> None:
        self.owner, self.broken = "", broken

    async def ask(self, node: str, kind: str, said: Any, timeout_s: float) -> dict[str, Any]:
        assert kind == "etcd_lock"
        if said["do"] == "give":
            had, self.owner = self.owner == node or self.broken, ""
            return {"got": had}
        if self.owner and not self.broken:
            return {"got": False}
        self.owner = node
        return {"got": True}


async def proven(locks: Locks) -> str:
    outside = Outside(cluster=None, secrets=None, ca_file="", vips={}, ask=locks.ask)  # type: ignore[arg-type]
    return await coordination.one_gets_it(outside, args={node: {} for node in MEMBERS})


async def test_a_lock_is_one_nodes_at_a_time() -> None:
    assert "refused on c2, c3" in await proven(Locks())


async def test_a_lock_that_two_get_is_found_out() -> None:
    with pytest.raises(QuorateError, match="a second time"):
        await proven(Locks(broken=True))


def test_a_lock_is_created_with_a_lease_and_only_its_owner_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []

    def ask(_: Any, path: str, body: Any = None, **__: Any) -> dict[str, Any]:
        asked.append((path, body))
        return {"ID": "77", "succeeded": True}

    monkeypatch.setattr(etcd_ask, "ask", ask)
    lock = {**args(tmp_path), "key": "k", "owner": "c3", "life_s": 30}
    assert etcd_lock.look({**lock, "do": "take"}) == {"got": True}
    assert asked[0] == ("/v3/lease/grant", {"TTL": 30})
    assert asked[1][1]["success"][0]["requestPut"]["lease"] == "77"
    etcd_lock.look({**lock, "do": "give"})
    assert asked[2][1]["compare"][0] == {
        "key": etcd_ask.coded("k"), "result": "EQUAL", "target": "VALUE", "value": etcd_ask.coded("c3"),
    }  # fmt: skip
