"""The identity plane on real machines: what it must do, what it must survive, what it must refuse.

Safety only: nothing lost, one holder, fenced, healed. Times are for `benchmarks/`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.lab.plane import Plane, quorate, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def test_it_is_verified_from_outside(healthy: Plane) -> None:
    """Every functional proof passes, through the virtual IPs with TLS checked."""
    steps = healthy.must("verify", "--json").json()["checks"]
    assert {step["service"] for step in steps} == {"galera", "horizon", "keystone", "rabbitmq"}
    assert {step["verdict"] for step in steps} == {"pass"}


def test_status_names_one_holder_for_each_virtual_ip(healthy: Plane) -> None:
    """Three nodes online, each virtual IP on one of them, and on more than one node between them."""
    status = healthy.status()
    assert {node["name"]: node["online"] for node in status["nodes"]} == {"c1": True, "c2": True, "c3": True}
    holders = [vip["holder"] for vip in status["vips"]]
    assert set(holders) <= {"c1", "c2", "c3"}
    assert len(set(holders)) > 1
    for vip in status["vips"]:
        assert holders_of(healthy, vip["address"]) == [vip["holder"]]


def test_a_second_apply_changes_nothing(healthy: Plane) -> None:
    """What was applied is what is looked at."""
    report = healthy.must("apply", "--json").json()
    assert report["counts"]["changed"] == 0, json.dumps(report)[:2000]
    assert report["results"] == []


def test_the_official_client_works_unchanged(healthy: Plane) -> None:
    """``openstack`` with nothing but the file that ``env --clouds`` names."""
    clouds = healthy.must("env", "--clouds").stdout.strip()
    done = subprocess.run(
        [sys.executable, "-m", "openstackclient.shell", "project", "list", "-f", "json"],
        env={**os.environ, "OS_CLIENT_CONFIG_FILE": clouds},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "admin" in {project["Name"] for project in json.loads(done.stdout)}


def test_secrets_stay_in_private_files(healthy: Plane) -> None:
    """No secret in a plan, in the cluster's configuration, or on a command line."""
    folder = Path(healthy.must("env", "--json").json()["secrets"])
    secrets = [path.read_text() for path in folder.iterdir() if path.is_file() and path.stat().st_size == 32]
    assert secrets
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*"))
    seen = healthy.must("plan", "--json").stdout
    seen += healthy.ssh("c1", "cibadmin", "--query")
    seen += healthy.ssh("c1", "ps", "-eo", "args")
    assert not [secret[:4] for secret in secrets if secret in seen]


@pytest.mark.parametrize("target", ["vip-holder", "db-writer"])
def test_a_power_cut_loses_no_acknowledged_write(healthy: Plane, target: str) -> None:
    """The victim is fenced, each virtual IP has one holder, no acknowledged write is lost, all heals."""
    result = drill(healthy, "power-off", "--target", target)
    assert result["writes"]["acknowledged"] > 0
    assert result["writes"]["lost"] == 0
    assert any("fenced" in entry["what"] for entry in result["timeline"]), result["timeline"]
    status = healthy.healthy()
    for vip in status["vips"]:
        assert holders_of(healthy, vip["address"]) == [vip["holder"]]


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_a_crashed_or_hung_api_process_heals(healthy: Plane, fault: str) -> None:
    """Clients go on through the others; nothing acknowledged is lost; the process comes back."""
    result = drill(healthy, fault, "--target", "c2", "--service", "keystone")
    assert result["writes"]["lost"] == 0
    healthy.healthy()


def test_it_comes_back_by_itself_when_the_whole_site_loses_power(healthy: Plane) -> None:
    """All three controllers at once, then power returns: verified again, and the last row is there."""
    healthy.ssh("c1", "mariadb", "-e", "CREATE TABLE IF NOT EXISTS quorate.dark (n INT PRIMARY KEY)")
    healthy.ssh("c1", "mariadb", "-e", "REPLACE INTO quorate.dark VALUES (42)")
    for node in ("c1", "c2", "c3"):
        healthy.must("lab", "power", "off", node)
    for node in ("c3", "c1", "c2"):
        healthy.must("lab", "power", "on", node)
    healthy.healthy(deadline_s=300)
    healthy.must("verify")
    for node in ("c1", "c2", "c3"):
        assert healthy.ssh(node, "mariadb", "-N", "-e", "SELECT n FROM quorate.dark").strip() == "42"


def test_keys_rotate_with_a_node_down_and_never_twice(healthy: Plane) -> None:
    """One rotation without a node is fine; a second is refused; the node catches up by apply."""
    healthy.must("lab", "power", "off", "c3")
    until("c3 is offline", lambda: not online(healthy, "c3"), 60)
    rotated = healthy.run("rotate", "fernet")
    assert rotated.exit == 0, rotated.stderr
    if not online(healthy, "c3"):
        refused = healthy.run("rotate", "fernet")
        assert refused.exit != 0
        assert "c3" in refused.stderr
    healthy.must("lab", "power", "on", "c3")
    until("c3 is online", lambda: online(healthy, "c3"), 180)
    healthy.must("apply")
    healthy.healthy()
    healthy.must("verify")


def test_a_wrong_bmc_password_is_named_before_the_cluster_is_called_ready(healthy: Plane) -> None:
    """Fencing that cannot work is an error with the node's name, not a surprise at three in the morning."""
    password = Path(healthy.must("env", "--json").json()["secrets"]) / "bmc-c2"
    right = password.read_text()
    try:
        password.write_text("wrong")
        failed = healthy.run("apply")
        assert failed.exit == 1
        assert "c2" in failed.stderr
        assert "BMC" in failed.stderr
    finally:
        password.write_text(right)
    healthy.must("apply")
    healthy.healthy()


def test_a_saved_lab_comes_back_as_it_was(plane: Plane) -> None:
    """Restore from the snapshot, with the lab taken down in between; then down leaves nothing behind."""
    plane.must("lab", "down")
    assert left_behind(plane.name) == ""
    plane.must("lab", "restore", plane.name)
    plane.healthy(deadline_s=300)
    plane.must("verify")


def test_a_plane_that_is_not_there_is_said_in_a_sentence() -> None:
    """A wrong name is a usage error that lists what there is."""
    ran = quorate("status", "--name", "nothere")
    assert ran.exit == 64
    assert "nothere" in ran.stderr
    assert "Traceback" not in ran.stderr


def drill(plane: Plane, *arguments: str) -> dict[str, object] | dict:  # type: ignore[type-arg]
    """Run a drill and return its result, whatever its verdict on times."""
    return plane.run("drill", "run", *arguments, "--yes", "--json").json()  # type: ignore[no-any-return]


def online(plane: Plane, node: str) -> bool:
    """What ``status`` says of the node."""
    return next(bool(n["online"]) for n in plane.status()["nodes"] if n["name"] == node)


def holders_of(plane: Plane, address: str) -> list[str]:
    """The nodes that have ``address`` on an interface, asked one by one and not of Pacemaker."""
    return [
        node
        for node in ("c1", "c2", "c3")
        if f" {address}/" in plane.ssh(node, "ip", "-4", "-oneline", "address", "show")
    ]


def left_behind(name: str) -> str:
    """Mounts, processes, links, loop devices, namespaces and rules that still carry the lab's name."""
    commands = (
        ["pgrep", "-af", f"quorate[./]{name}[./]|labs/{name}/"],
        ["findmnt", "-rno", "TARGET"],
        ["losetup", "-a"],
        ["ip", "netns", "list"],
        ["nft", "list", "tables"],
    )
    found = ""
    for command in commands:
        out = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
        found += "\n".join(line for line in out.splitlines() if name in line and "pgrep" not in line)
    return found
