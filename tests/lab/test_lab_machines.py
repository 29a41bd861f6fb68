"""Machines of a lab behave like hosts, and nothing of them is left afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.lab.plane import ROOT

from quorate.errors import LabError
from quorate.events import silent
from quorate.home import Home, state_root
from quorate.lab import (
    aptsources,
    bmcs,
    cgroup,
    image_build,
    journal,
    links,
    loops,
    lower,
    network,
    power,
    raise_machines,
    restoring,
    setup,
    snapshots,
)
from quorate.lab.image_store import ImageStore
from quorate.lab.layout import LabFolder, NodeFolder
from quorate.lab.recipe import Recipe
from quorate.services.registry import packages_of
from quorate.spec.load import load
from quorate.spec.model import Cluster

pytestmark = pytest.mark.lab
NAME = "t-mach"
IDENTITY = ROOT / "examples" / "identity.yaml"
NODES = ("c1", "c2")


@dataclass
class Lab:
    """The lab under test, and how to reach it as its operator would."""

    folder: LabFolder
    home: Home
    cluster: Cluster

    @property
    def login(self) -> list[str]:
        """How ssh is called: the operator's key, host keys pinned, no questions."""
        pinned, key = self.home.path / "ssh/known_hosts", self.home.path / "ssh/id_ed25519"
        options = [
            f"UserKnownHostsFile={pinned}",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "LogLevel=ERROR",
        ]
        return ["ssh", "-i", str(key), *(word for option in options for word in ("-o", option))]

    def node(self, name: str) -> NodeFolder:
        return self.folder.node(name)

    def ssh(self, node: str, script: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a shell script on a node, the host key checked against the pinned one."""
        argv = [*self.login, f"root@{self.cluster.address(node)}", script]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=check)

    def bmc(self, node: str, *words: str, password: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Ask a node's BMC over the network."""
        bmc = self.cluster.nodes[node].bmc
        assert bmc
        file = password or self.home.path / bmc.password_file
        argv = [
            "ipmitool",
            "-I",
            "lanplus",
            "-C",
            "3",
            "-H",
            str(bmc.address),
            "-U",
            bmc.user,
            "-f",
            str(file),
        ]
        return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=60, check=False)

    def wait_ssh(self, node: str) -> None:
        raise_machines.start([self.node(node)], silent)


def traces(name: str) -> dict[str, list[str]]:
    """Everything on this host that carries the lab's name, looked for without the lab's own code."""
    root = state_root() / "labs" / name
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(str(root) in word or word.endswith(f"quorate.{name}.c1") for word in words):
                processes.append(entry.name)

    def lines(*argv: str) -> list[str]:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
        return [line for line in done.stdout.splitlines() if name in line]

    return {
        "processes": processes,
        "mounts": [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line
        ],
        "links": lines("ip", "-o", "link", "show"),
        "loops": lines("losetup", "--list", "--noheadings"),
        "namespaces": lines("ip", "netns", "list"),
        "rules": lines("nft", "list", "ruleset"),
        "groups": [path.name for path in cgroup.unified().glob(f"*{name}*")],
        "files": [str(path) for path in (root, Home.of(name).path) if path.exists()],
    }


def clear() -> None:
    if found := lower.find(state_root()).get(NAME):
        lower.down(state_root(), found, silent)
    for kept in snapshots.listing(state_root(), NAME):
        snapshots.remove(kept)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.fail("lab tests start machines on this host and need root")
    clear()
    root, home = state_root(), Home.of(NAME)
    recipe, store = Recipe(packages_of(load(IDENTITY), "c1")), ImageStore(root)
    image_build.ensure(store, [recipe], aptsources.of_host, silent)
    folder = LabFolder(root, NAME)
    try:
        with setup.choosing(root):
            whole = YAML(typ="safe").load(setup.default_spec(root, NAME))
            few = {"networks": {name: whole["networks"][name] for name in ("cluster", "api", "bmc")}}
            few["nodes"] = {name: whole["nodes"][name] for name in NODES}
            for node in few["nodes"].values():
                del node["addresses"]["tunnel"]
            setup.adopt(home, json.dumps({**whole, **few, "services": {}}))
            cluster = setup.read(home.spec)
            raise_machines.define_all(folder, cluster, home, dict.fromkeys(NODES, recipe.key), silent)
        raise_machines.start([folder.node(node) for node in NODES], silent)
        yield Lab(folder, home, cluster)
    finally:
        clear()


def test_a_machine_is_a_host_of_its_own(lab: Lab) -> None:
    said = lab.ssh(
        "c1", "hostname; cat /etc/machine-id; systemctl is-system-running --wait; ip -4 -br addr"
    ).stdout
    assert said.splitlines()[0] == "c1"
    assert "running" in said
    assert all(str(address) in said for address in lab.cluster.nodes["c1"].addresses.values())
    assert said.splitlines()[1] != lab.ssh("c2", "cat /etc/machine-id").stdout.strip()


def test_nothing_runs_that_was_not_asked_for(lab: Lab) -> None:
    units = lab.ssh("c1", "systemctl list-units --type=service --state=running --no-legend --plain").stdout
    running = {line.split()[0].removesuffix(".service") for line in units.splitlines()}
    assert running <= {"dbus", "ssh", "systemd-journald", "systemd-networkd"}
    timers = lab.ssh("c1", "systemctl list-units --type=timer --no-legend --plain").stdout
    assert [line.split()[0] for line in timers.splitlines()] == ["systemd-tmpfiles-clean.timer"]


def test_another_host_key_is_refused(lab: Lab, tmp_path: Path) -> None:
    pinned = lab.home.path / "ssh/known_hosts"
    keep = pinned.read_text()
    c1, c2 = keep.splitlines()
    pinned.write_text(f"{c1.split()[0]} {' '.join(c2.split()[1:])}\n")
    try:
        assert "verification failed" in lab.ssh("c1", "true", check=False).stderr.lower()
    finally:
        pinned.write_text(keep)


def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(lab: Lab) -> None:
    lab.ssh("c1", "echo kept > /root/kept; sync; echo lost > /root/lost")
    assert lab.bmc("c1", "chassis", "power", "status").stdout.strip() == "Chassis Power is on"
    started = time.monotonic()
    assert lab.bmc("c1", "chassis", "power", "off").returncode == 0
    assert lab.bmc("c1", "chassis", "power", "status").stdout.strip() == "Chassis Power is off"
    took = time.monotonic() - started
    assert not cgroup.Group.of(NAME, "c1").pids()
    assert not loops.of(lab.node("c1").disk)
    assert not [
        name
        for name, words in network.owned().items()
        if words.get("lab") == NAME and words.get("node") == "c1"
    ]
    assert took < 3, "off takes too long to be of use to a fence agent"
    assert lab.bmc("c1", "chassis", "power", "off").returncode == 0, "off again is harmless"
    assert journal.show(lab.node("c1"), ("--no-pager", "--lines=1")) == 0, (
        "its journal can be read while it is off"
    )
    assert lab.bmc("c1", "chassis", "power", "on").returncode == 0
    lab.wait_ssh("c1")
    assert lab.ssh("c1", "cat /root/kept").stdout == "kept\n"
    assert lab.ssh("c1", "cat /root/lost 2>/dev/null", check=False).stdout == ""


def test_a_hanging_machine_can_be_reset(lab: Lab) -> None:
    before = lab.ssh("c2", "cat /proc/sys/kernel/random/boot_id; stat -c %Z /proc/1").stdout
    (cgroup.Group.of(NAME, "c2").path / "cgroup.freeze").write_text("1")
    assert power.is_on(lab.node("c2"))
    assert lab.bmc("c2", "chassis", "power", "reset").returncode == 0
    lab.wait_ssh("c2")
    assert lab.ssh("c2", "cat /proc/sys/kernel/random/boot_id; stat -c %Z /proc/1").stdout != before


def test_a_fence_agent_on_a_node_reaches_the_bmc_of_another(lab: Lab) -> None:
    bmc = lab.cluster.nodes["c2"].bmc
    assert bmc
    password = (lab.home.path / bmc.password_file).read_text()
    options = (
        f"ip={bmc.address}\nusername={bmc.user}\npassword={password}\nlanplus=1\ncipher=3\naction=status\n"
    )
    said = lab.ssh("c1", f"fence_ipmilan <<'END'\n{options}END\n")
    assert said.returncode == 0
    assert bmcs.answers(str(bmc.address), bmc.port, 1.0)


def test_a_wrong_bmc_password_is_refused(lab: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password")
    assert lab.bmc("c1", "chassis", "power", "off", password=wrong).returncode != 0
    assert power.is_on(lab.node("c1"))


def test_links_break_in_the_direction_asked_for_and_heal(lab: Lab) -> None:
    def heard(receiver: str, sender: str) -> bool:
        """Whether one datagram from ``sender`` arrives at ``receiver``."""
        port, address = 9999, lab.cluster.address(receiver)
        listen = f"timeout 2 socat -u UDP-RECVFROM:{port} STDOUT"
        to_receiver = [*lab.login, f"root@{lab.cluster.address(receiver, 'api')}"]
        to_sender = [*lab.login, f"root@{lab.cluster.address(sender, 'api')}"]
        listener = subprocess.Popen([*to_receiver, listen], stdout=subprocess.PIPE, text=True)
        spray = f"for n in $(seq 12); do echo hello | socat -u - UDP-SENDTO:{address}:{port}; sleep 0.1; done"
        subprocess.run([*to_sender, spray], check=False, timeout=30)
        return "hello" in listener.communicate(timeout=30)[0]

    # Neighbours are pinned, so that only the direction of the datagram decides, not that of the ARP reply.
    for one, other in (NODES, NODES[::-1]):
        hardware = lab.ssh(other, "cat /sys/class/net/cluster/address").stdout.strip()
        lab.ssh(
            one, f"ip neigh replace {lab.cluster.address(other)} lladdr {hardware} dev cluster nud permanent"
        )
    links.put(lab.folder, links.Faulty("c1", "cluster", links.Fault.RECEIVE_ONLY))
    try:
        assert heard("c1", "c2")
        assert not heard("c2", "c1")
        links.put(lab.folder, links.Faulty("c1", "cluster", links.Fault.CUT))
        assert [one.fault for one in links.faults(NAME)] == [links.Fault.CUT]
        assert not heard("c1", "c2")
    finally:
        assert links.heal(NAME, "c1", "cluster") == 1
    assert heard("c2", "c1")


def test_a_snapshot_brings_the_whole_lab_back_even_after_it_was_taken_down(lab: Lab) -> None:
    lab.ssh("c1", "echo before > /root/state")
    snapshot = snapshots.Snapshot.of(state_root(), NAME, "one")
    snapshots.save(lab.folder, snapshot, silent)
    lab.ssh("c1", "echo after > /root/state; sync")
    lower.down(state_root(), lower.find(state_root())[NAME], silent)
    assert not any(traces(NAME).values()), traces(NAME)
    restoring.restore(lab.folder, "one", silent)
    assert lab.ssh("c1", "cat /root/state").stdout == "before\n"
    assert snapshot.nodes, "the snapshot can be used again"


def test_a_machine_whose_supervisor_was_killed_is_still_found_and_cleared(lab: Lab) -> None:
    supervisor = power.supervisor(lab.node("c2"))
    assert supervisor
    os.kill(supervisor, 9)
    for pid in bmcs.of(lab.node("c2").path):
        os.kill(pid, 9)
    shutil.rmtree(lab.node("c2").path)
    clear()
    left = {what: found for what, found in traces(NAME).items() if found}
    assert not left


def test_a_node_that_is_not_there_is_named(lab: Lab) -> None:
    with pytest.raises(LabError, match="c9"):
        power.off(lab.node("c9"))
