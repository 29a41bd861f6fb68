"""Names of a lab's parts: short enough for the kernel, unambiguous, and readable back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import UsageError
from quorate.lab import layout
from quorate.lab.setup import lab_name

NAMES = st.from_regex(r"\A[a-z]([a-z0-9-]{0,13}[a-z0-9])?\Z")


@given(NAMES, NAMES, NAMES)
def test_interface_names_fit_the_kernel(lab: str, node: str, network: str) -> None:
    assert len(layout.link_name(lab, node, network)) <= layout.LINK_MAX
    assert len(layout.bridge_name(lab, network)) <= layout.LINK_MAX


def test_long_names_stay_different() -> None:
    names = {
        layout.link_name("a-long-lab-name", f"c{n}", net) for n in range(50) for net in ("cluster", "api")
    }
    assert len(names) == 100


@given(NAMES, NAMES)
def test_machine_names_are_read_back(lab: str, node: str) -> None:
    assert layout.parse_machine_name(layout.machine_name(lab, node)) == (lab, node)


@pytest.mark.parametrize("name", ["quorate", "quorate.lab", "other.lab.c1", "quorate.a.b.c", "system.slice"])
def test_foreign_groups_are_not_machines(name: str) -> None:
    assert layout.parse_machine_name(name) is None


def test_an_alias_says_whose_an_interface_is() -> None:
    assert layout.parse_alias(layout.alias("lab", "c1", "api")) == {
        "lab": "lab",
        "node": "c1",
        "network": "api",
    }
    assert layout.parse_alias(layout.alias("lab", network="api")) == {"lab": "lab", "network": "api"}
    assert layout.parse_alias("docker0") is None
    assert layout.parse_alias("") is None


@given(st.text(min_size=1), st.text(min_size=1))
def test_mac_addresses_are_local_unicast_and_stable(one: str, two: str) -> None:
    address = layout.mac(one, two)
    first = int(address.split(":")[0], 16)
    assert first & 0b11 == 0b10
    assert address == layout.mac(one, two)
    assert len(address) == 17


def test_a_folder_knows_whose_it_is() -> None:
    folder = layout.LabFolder(Path("/var/lib/quorate"), "lab").node("c1")
    assert (folder.lab, folder.node, folder.root) == ("lab", "c1", Path("/var/lib/quorate"))


@pytest.mark.parametrize("name", ["", "1lab", "Lab", "a" * 16, "lab-", "../lab", "la b", "läb"])
def test_impossible_lab_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        lab_name(name)


@given(NAMES)
def test_cluster_names_are_lab_names(name: str) -> None:
    assert lab_name(name) == name
