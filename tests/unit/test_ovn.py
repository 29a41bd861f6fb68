"""OVN: what each node is told, what the looks read, and what they mean."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from guest_things import SPEC, STATUS, Node, guests
from service_things import on, text

from quorate.cli.common import catalogue
from quorate.errors import SpecError
from quorate.node import ovn_central, ovn_chassis, ovs, ovsdb, raft, tools
from quorate.resources.base import Stage
from quorate.services import guestnet, registry
from quorate.services.base import Health
from quorate.services.guestnet.gateways import MOST, acquainted
from quorate.services.guestnet.health import judge_central, judge_chassis
from quorate.spec.model import Cluster
from quorate.spec.rules import services as service_rules

CLUSTER = Cluster.model_validate(SPEC)
CONTROLLERS = ("c1", "c2", "c3")


def test_where_the_databases_are() -> None:
    assert guestnet.northbound(CLUSTER) == "tcp:10.77.0.11:6641,tcp:10.77.0.12:6641,tcp:10.77.0.13:6641"
    assert guestnet.southbound(CLUSTER) == "tcp:10.77.0.11:6642,tcp:10.77.0.12:6642,tcp:10.77.0.13:6642"
    assert guestnet.bridge_mappings(CLUSTER) == "provider:br-provider"
    assert guestnet.tunnel_address(CLUSTER, "n2") == "10.77.3.22"


def test_each_node_has_the_packages_of_its_part() -> None:
    found = {node: set(registry.packages_of(CLUSTER, node)) for node in CLUSTER.nodes}
    assert {node for node, packages in found.items() if "ovn-central" in packages} == set(CONTROLLERS)
    assert all({"ovn-host", "openvswitch-switch"} <= packages for packages in found.values())


def test_only_the_first_controller_may_begin_a_cluster_and_every_member_joins_all_others(
    tmp_path: Path,
) -> None:
    its = guests(tmp_path)
    files = {node: on(its, node)["raft_file:/var/lib/ovn/ovnnb_db.db"].args for node in CONTROLLERS}
    assert [node for node, args in files.items() if args["first"]] == ["c1"]
    assert files["c2"]["peers"] == ["10.77.0.11:6643", "10.77.0.13:6643"]
    # ovn-ctl never begins one by itself: it knows a peer, on the first controller too.
    for node in CONTROLLERS:
        assert "--db-nb-cluster-remote-addr=10.77.0.1" in text(its, node, "/etc/default/ovn-central")


def test_the_files_are_there_before_any_server_starts(tmp_path: Path) -> None:
    stages = {
        placed.resource.id: placed.stage for placed in guests(tmp_path).desired() if placed.node == "c1"
    }
    assert stages["raft_file:/var/lib/ovn/ovnsb_db.db"] < stages["unit:ovn-central.service"]


def test_the_databases_listen_on_the_cluster_network_only(tmp_path: Path) -> None:
    its = guests(tmp_path, client_probe_ms=40_000)
    told = json.loads(text(its, "c2", "/etc/ovn/quorate-sb.json"))
    assert told["remotes"]["ptcp:6642:10.77.0.12"] == {"inactivity-probe": 40_000}
    assert told["remotes"]["ptcp:6646:10.77.0.12"] == {"inactivity-probe": 2000}, "a dead northd's lock"
    assert "--ovn-northd-sb-db=tcp:10.77.0.11:6646" in text(its, "c2", "/etc/default/ovn-central")
    assert set(told["databases"]) == {"/var/lib/ovn/ovnsb_db.db"}


def test_clients_give_a_silent_database_up_soon(tmp_path: Path) -> None:
    ids = on(guests(tmp_path), "n1")["ovs:bridges and settings"].args["external_ids"]
    assert int(ids["ovn-remote-probe-interval"]) <= 2500
    timers = on(guests(tmp_path / "other"), "c1")["command:OVN's timers"].args
    assert "options:northd_probe_interval=2000" in timers["check"]


def test_a_chassis_is_told_where_its_tunnels_end(tmp_path: Path) -> None:
    args = on(guests(tmp_path), "n2")["ovs:bridges and settings"].args
    assert args["bridges"] == {"br-tunnel": "tunnel", "br-provider": "provider"}
    assert args["addresses"] == {"br-tunnel": "10.77.3.22/24"}
    assert args["external_ids"]["ovn-encap-ip"] == "10.77.3.22"
    assert args["external_ids"]["system-id"] == args["external_ids"]["hostname"] == "n2"
    assert args["manager"] == "ptcp:6640:127.0.0.1"


@pytest.mark.parametrize(("gateways", "members"), [("all", "c1 c2 c3 n1 n2"), ("controllers", "c1 c2 c3")])
def test_gateways_have_a_group_in_common_before_there_is_a_router(
    tmp_path: Path, gateways: str, members: str
) -> None:
    args = on(guests(tmp_path, gateways=gateways), "c1")["command:OVN's gateways watch each other"].args
    assert args["check"][-1] == f'external_ids:gateways="{members}"' and args["check"][-1] in args["fix"]
    said = " ".join(args["fix"])
    for node in members.split():
        assert f"--id=@{node} create HA_Chassis chassis_name={node} " in said
    assert f"ha_chassis={','.join('@' + node for node in members.split())} " in said


def test_many_gateways_are_not_all_made_to_watch_each_other() -> None:
    names = [f"n{number}" for number in range(MOST + 1)]
    assert len(list(acquainted(names[:MOST], "tcp:10.77.0.11:6641"))) == 1
    assert not list(acquainted(names, "tcp:10.77.0.11:6641")) and not list(acquainted((), ""))


@pytest.mark.parametrize(
    ("gateways", "expected"), [("all", {"c1", "c2", "c3", "n1", "n2"}), ("controllers", set(CONTROLLERS))]
)
def test_who_is_a_gateway(tmp_path: Path, gateways: str, expected: set[str]) -> None:
    its = guests(tmp_path, gateways=gateways)
    found = {
        node
        for node in CLUSTER.nodes
        if on(its, node)["ovs:bridges and settings"].args["external_ids"]["ovn-cms-options"]
    }
    assert found == expected


def test_two_gateways_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="2 gateways cannot take over"):
        guests(tmp_path, gateways="computes")


def test_segmentation_is_known_before_the_switch_starts(tmp_path: Path) -> None:
    order = [
        placed.resource.id
        for placed in guests(tmp_path).desired()
        if placed.node == "n1" and placed.stage is Stage.CONFIG
    ]
    wanted = ["unit:ovsdb-server.service", "ovs_offload:userspace segmentation offload"]
    wanted += ["unit:openvswitch-switch.service", "ovs:bridges and settings"]
    assert [one for one in order if one in wanted] == wanted


# What the looks read.

NODES = {f"tcp:10.77.0.1{n}:{port}": f"c{n}" for n in (1, 2, 3) for port in (6643, 6644)}


def member(role: str = "follower", leader: str = "dea2", silent: int = 50) -> dict[str, Any]:
    return raft.parse(STATUS.format(role=role, leader=leader, silent=silent))


def central(**changes: Any) -> dict[str, Any]:
    state = {"databases": {"NB": member()}, "northd": "standby", "synced": True, "ms": 30, "why": ""}
    return {**state, **changes}


def test_a_member_knows_its_leader() -> None:
    assert member()["leader"] == "tcp:10.77.0.11:6643"
    assert member("leader", "self")["leader"] == "tcp:10.77.0.12:6643"
    assert member("candidate", "unknown")["leads"] is False
    assert member()["election_timer_ms"] == 2000
    assert [server["silent_ms"] for server in member()["servers"]] == [50, None, 63]


@pytest.mark.parametrize(
    ("state", "health", "said"),
    [
        (central(), Health.OK, "NB member, northd standby"),
        (central(databases={"NB": member("leader", "self")}), Health.OK, "NB leader"),
        (
            central(databases={"NB": {"error": "no such file"}}),
            Health.FAILED,
            "does not answer: no such file",
        ),
        (central(databases={"NB": member("candidate", "unknown")}), Health.FAILED, "has no leader"),
        (
            central(databases={"NB": {**member(), "status": "joining cluster"}}),
            Health.FAILED,
            "not in its cluster: joining cluster",
        ),
        (central(databases={"NB": member("leader", "self", 9000)}), Health.DEGRADED, "hears nothing of c1"),
        (central(northd=""), Health.DEGRADED, "northd does not answer"),
        (central(northd="paused"), Health.DEGRADED, "northd is paused"),
        (central(synced=False, why="timeout"), Health.FAILED, "does not get from the northbound"),
    ],
)
def test_what_the_centre_says(state: dict[str, Any], health: Health, said: str) -> None:
    judgement = judge_central(state, nodes=NODES)
    assert (judgement.health, said in judgement.text) == (health, True), judgement.text
    assert (health is Health.OK) != bool(judgement.next_step)


def test_a_member_that_was_replaced_lingers_and_is_named() -> None:
    state = member()
    state["servers"].append({"address": "tcp:10.77.0.13:6643", "silent_ms": None})
    judgement = judge_central(central(databases={"NB": state}), nodes=NODES)
    assert judgement.health is Health.DEGRADED
    assert "cluster/kick OVN_Northbound" in judgement.next_step


def test_a_controller_that_is_not_in_the_database_is_named() -> None:
    state = member()
    state["servers"] = state["servers"][:2]
    judgement = judge_central(central(databases={"NB": state}), nodes=NODES)
    assert "without c3" in judgement.text


def chassis(**changes: Any) -> dict[str, Any]:
    tunnels = {"10.77.3.22": "up", "10.77.3.11": ""}
    state = {"switch": "", "connection": "connected", "registered": True, "behind": 0, "tunnels": tunnels}
    return {**state, **changes}


@pytest.mark.parametrize(
    ("state", "health", "said"),
    [
        (chassis(), Health.OK, "2 tunnels, 1 watched and up"),
        (chassis(switch="no reply"), Health.FAILED, "Open vSwitch does not answer"),
        (chassis(connection="not connected"), Health.FAILED, "not connected to the southbound"),
        (chassis(registered=False), Health.FAILED, "does not know it"),
        (chassis(behind=3), Health.DEGRADED, "3 changes behind"),
        (chassis(tunnels={"10.77.3.22": "down"}), Health.DEGRADED, "tunnel to n2 is down"),
    ],
)
def test_what_a_chassis_says(state: dict[str, Any], health: Health, said: str) -> None:
    judgement = judge_chassis(state, nodes={"10.77.3.22": "n2"})
    assert (judgement.health, said in judgement.text) == (health, True), judgement.text
    assert (health is Health.OK) != bool(judgement.next_step)


def test_tables_are_read_one_after_the_other() -> None:
    rows = '{"headings":["name","ports","ids"],"data":[["br",["set",[["uuid","a"]]],["map",[["k","v"]]]]]}\n'
    assert ovsdb.parse(rows + '{"headings":["n"],"data":[]}\n\n') == [
        [{"name": "br", "ports": ["a"], "ids": {"k": "v"}}],
        [],
    ]


OVS = (
    '{"headings":["name","datapath_type","ports"],"data":[["br-tunnel","netdev",["set",[["uuid","1"]]]]]}'
    '{"headings":["_uuid","name"],"data":[[["uuid","1"],"tunnel"]]}'
    '{"headings":["external_ids"],"data":[[["map",[["system-id","n1"],["ovn-bridge-datapath-type","netdev"]]]]]}'
    '{"headings":["target","inactivity_probe"],"data":[["ptcp:6640:127.0.0.1",30000]]}'
)
ADDRESS = '[{"addr_info":[{"local":"10.77.3.21","prefixlen":24}]}]'
ARGS: dict[str, Any] = {
    "bridges": {"br-tunnel": "tunnel"},
    "addresses": {"br-tunnel": "10.77.3.21/24"},
    "external_ids": {"system-id": "n1", "ovn-cms-options": ""},
    "manager": "ptcp:6640:127.0.0.1",
    "manager_probe_ms": 30000,
    "wait_s": 0.0,
}


@pytest.fixture
def no_kernel_datapath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ovs, "kernel_datapath", lambda: False)


@pytest.mark.usefixtures("no_kernel_datapath")
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({}, []),
        ({"bridges": {"br-tunnel": "eth2"}}, ["br-tunnel: without eth2"]),
        ({"bridges": {"br-x": "x"}}, ["br-x: absent"]),
        ({"external_ids": {"system-id": "n2"}}, ["system-id: n1 → n2"]),
        ({"addresses": {"br-tunnel": "10.77.3.9/24"}}, ["br-tunnel: without the address 10.77.3.9/24"]),
        ({"manager_probe_ms": 1}, ["manager: → ptcp:6640:127.0.0.1"]),
    ],
)
def test_the_switch_is_compared(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], difference: list[str]
) -> None:
    Node(monkeypatch, {"ovs-vsctl": OVS, "ip -json": ADDRESS})
    assert ovs.look({**ARGS, **change})["differences"] == difference


@pytest.mark.usefixtures("no_kernel_datapath")
def test_an_interface_that_the_host_uses_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, {"ovs-vsctl": OVS, "ip -json": ADDRESS})
    with pytest.raises(tools.Failed, match="has the address"):
        ovs.fix({**ARGS, "bridges": {"br-tunnel": "lo"}}, {"differences": []}, ["differences"])
    assert not [argv for argv in node.ran if "add-br" in argv]


def test_a_chassis_that_catches_up_is_not_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ovn_chassis, "CATCH_UP_S", 5.0)
    monkeypatch.setattr(tools, "POLL_S", 0.0)
    node = Node(
        monkeypatch,
        {
            "dpif/show": "netdev@ovs-netdev",
            "connection-status": "connected",
            "ovs-vsctl": '{"headings":[],"data":[]}',
        },
    )
    numbers: Iterator[int] = iter((6, 6, 7))

    def run(argv: list[str], **options: Any) -> tools.Done:
        if argv[0] != "ovn-sbctl":
            return node.run(argv, **options)
        mine = next(numbers)
        return tools.Done(
            0, f'{{"headings":["nb_cfg"],"data":[[7]]}}{{"headings":["nb_cfg"],"data":[[{mine}]]}}', ""
        )

    monkeypatch.setattr(tools, "run", run)
    state = ovn_chassis.look({"name": "n1", "southbound": "tcp:10.77.0.11:6642"})
    assert (state["registered"], state["behind"]) == (True, 0)
    assert next(numbers, None) is None, "it was asked until it had caught up"


def test_a_switch_that_hangs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(monkeypatch, {"dpif/show": tools.Done(14, "", "alarm clock")})
    state = ovn_chassis.look({"name": "n1", "southbound": ""})
    assert judge_chassis(state, nodes={}).health is Health.FAILED


def test_one_dead_database_does_not_hide_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, str | tools.Done] = {
        "OVN_Northbound": tools.Done(1, "", "cannot connect"),
        "OVN_Southbound": STATUS.format(role="follower", leader="dea2", silent=5),
        "status": "Status: active\n",
        "sync": tools.Done(1, "", "fatal_signal: terminating with signal 14 (Alarm clock)"),
    }
    Node(monkeypatch, answers)
    databases = {name: {"control": "x", "database": f"OVN_{name}bound"} for name in ("North", "South")}
    state = ovn_central.look({"databases": databases, "northbound": "tcp:x", "timeout_s": 3})
    assert state["databases"]["North"] == {"error": "cannot connect"}
    assert state["why"] == "not within 3 s"
    assert state["databases"]["South"]["leads"] and state["northd"] == "active" and not state["synced"]


# The file of a member.


def test_stopping_northd_stops_no_database(tmp_path: Path) -> None:
    drop_in = text(guests(tmp_path), "c1", "/etc/systemd/system/ovn-northd.service.d/quorate.conf")
    lines = drop_in.splitlines()
    stop = lines.index("ExecStop=")
    assert "--ovn-manage-ovsdb=no" in lines[stop + 1], "the package's own ExecStop stops both databases too"


def test_a_restart_of_the_controller_leaves_flows_where_they_are(tmp_path: Path) -> None:
    drop_in = text(guests(tmp_path), "n1", "/etc/systemd/system/ovn-controller.service.d/quorate.conf")
    lines = drop_in.splitlines()
    assert "stop_controller --restart" in lines[lines.index("ExecStop=") + 1]


def test_a_switch_that_starts_is_watched_by_nobody_until_it_has_flows(tmp_path: Path) -> None:
    drop_in = text(guests(tmp_path), "n1", "/etc/systemd/system/ovs-vswitchd.service.d/quorate.conf")
    (before,) = (line for line in drop_in.splitlines() if line.startswith("ExecStartPre="))
    program = tmp_path / "ovs-vsctl"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *" find "*) echo; echo ovn-a; echo ovn-b ;; *) echo "$@" ;; esac\n'
    )
    program.chmod(0o755)
    command = before.removeprefix("ExecStartPre=-").replace("$$", "$")
    done = subprocess.run(
        shlex.split(command),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Without --no-wait it waits for the switch that is about to start.
    assert done.stdout.splitlines() == [
        f"--no-wait --timeout=5 set Interface {tunnel} bfd:enable=false" for tunnel in ("ovn-a", "ovn-b")
    ]


def test_guests_cards_stay_up_and_get_no_address_of_the_hosts(tmp_path: Path) -> None:
    lines = text(guests(tmp_path), "n1", "/etc/systemd/network/05-quorate-guests.network").splitlines()
    assert {"Name=tap*", "ActivationPolicy=always-up", "LinkLocalAddressing=no"} < set(lines)


def test_without_a_network_for_tunnels_there_is_no_ovn() -> None:
    networks = {name: SPEC["networks"][name] for name in ("cluster", "api", "bmc")}
    bare = Cluster.model_validate({**SPEC, "networks": networks})
    (finding,) = service_rules.networks_needed(bare, catalogue())
    assert finding.path == ("services", "ovn")
    assert "use: tunnels" in finding.right
    assert not list(service_rules.networks_needed(CLUSTER, catalogue()))
