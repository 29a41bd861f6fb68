"""The cluster layer on real machines: what Pacemaker would do, and what its own checkers say."""

from __future__ import annotations

from functools import partial

import pytest
from tests.lab.plane import Plane, quorate, until

from quorate.pacemaker import simulate, state

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
NODES = ("c1", "c2", "c3")


@pytest.mark.parametrize("lost", NODES)
def test_losing_any_node_fences_it_and_leaves_no_address_behind(healthy: Plane, lost: str) -> None:
    """Played by Pacemaker's scheduler against the running cluster; nothing is done."""
    asked = next(node for node in NODES if node != lost)
    after = f"/run/what-if-{lost}.xml"
    played = healthy.ssh(asked, *simulate.simulation(after, fail=[lost]))
    assert f"Fencing {lost} (" in played
    found = state.parse(healthy.ssh(asked, *simulate.afterwards(after)))
    addresses = [one.id for one in found.resources if one.agent == "ocf:heartbeat:IPaddr2"]
    assert addresses
    for address in addresses:
        holder = found.holder(address)
        assert holder and holder != lost
        assert holder in found.holders("haproxy-clone")
    for node in NODES:
        assert found.holder(f"fence-{node}") not in ("", node)


def test_pacemaker_has_nothing_to_say_about_its_configuration(healthy: Plane) -> None:
    """crm_verify finds neither errors nor warnings in what runs."""
    healthy.ssh("c1", "crm_verify", "--live-check", "-V")


@pytest.mark.parametrize("node", NODES)
def test_nothing_on_a_node_shows_a_password_of_a_bmc(healthy: Plane, node: str) -> None:
    """The files with the passwords are root's alone."""
    modes = healthy.ssh(node, "stat", "-c", "%a %U", "/etc/quorate", "/etc/quorate/bmc").split()
    assert modes == ["700", "root", "700", "root"]
    kept = healthy.ssh(node, "find", "/etc/quorate/bmc", "-type", "f", "-printf", "%m %u\\n").splitlines()
    assert kept == ["600 root"] * len(NODES)


def test_a_database_that_was_cut_off_comes_back_without_a_restart(healthy: Plane) -> None:
    """Corosync's second link stays, so Pacemaker looks at it meanwhile."""
    left_alone = partial(noted, "c2", "left alone until", healthy)
    process, before = healthy.ssh("c2", "pidof", "mariadbd"), left_alone()
    healthy.must("lab", "link", "c2", "cluster", "cut")
    try:
        until("Pacemaker has looked", lambda: left_alone() > before, 90)
    finally:
        healthy.must("lab", "link", "c2", "cluster", "heal")
    assert healthy.healthy()["galera"]["size"] == len(NODES)
    assert healthy.ssh("c2", "pidof", "mariadbd") == process


def test_a_node_that_hears_of_its_fencing_after_its_boot_comes_back(healthy: Plane) -> None:
    """A slow BMC's answer, said by hand once the node has booted and joined: Pacemaker there ends at once."""
    healthy.must("lab", "power", "reset", "c3")
    until("it has joined", lambda: "S_NOT_DC" in heard("c1", healthy), 90)
    healthy.ssh("c1", "stonith_admin", "--confirm", "c3")
    until("it has heard of it", lambda: noted("c3", "once more from the start", healthy), 60)
    healthy.healthy()


def noted(node: str, words: str, plane: Plane) -> int:
    """How often the journal of ``node``, read from its disk, has ``words``. Exits 1 where it does not."""
    command = ("lab", "logs", "--name", plane.name, node, "--", "--no-pager", f"--grep={words}")
    return quorate(*command).stdout.count(words)


def heard(node: str, plane: Plane) -> str:
    """What ``node`` hears from Pacemaker's controller on c3."""
    said = quorate("lab", "ssh", "--name", plane.name, node, "--", "crmadmin", "--status", "c3")
    return said.stdout + said.stderr
