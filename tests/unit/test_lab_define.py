"""From networks and cluster.yaml to machines."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from quorate.errors import PreconditionError, SpecError
from quorate.lab import define, hardware, template
from quorate.spec.load import load
from quorate.spec.model import Cluster

IMAGES = dict.fromkeys(template.NODES, "abc")


EXAMPLES = Path(__file__).parents[2] / "examples"
IDENTITY = EXAMPLES / "identity.yaml"


def made(tmp_path: Path, slot: int = 0, name: str = "lab") -> Cluster:
    path = tmp_path / "cluster.yaml"
    path.write_text(template.cluster_yaml(name, slot))
    return load(path)


def test_the_first_lab_gets_the_first_networks() -> None:
    assert template.free_slot([IPv4Network("192.168.0.0/16")]) == 0
    assert [str(net) for net in template.networks(0).values()] == [f"10.77.{n}.0/24" for n in range(5)]


def test_a_slot_is_free_only_when_all_its_networks_are() -> None:
    assert template.free_slot([IPv4Network("10.77.2.0/24")]) == 1
    assert template.free_slot([IPv4Network("10.77.0.0/24"), IPv4Network("10.77.9.64/26")]) == 2


def test_no_free_slot_is_an_error() -> None:
    with pytest.raises(PreconditionError):
        template.free_slot([IPv4Network("10.0.0.0/8")])


@pytest.mark.parametrize("slot", [0, 1, template.SLOTS - 1])
def test_the_template_is_a_valid_cluster(tmp_path: Path, slot: int) -> None:
    cluster = made(tmp_path, slot)
    assert cluster.controllers == ("c1", "c2", "c3")
    assert cluster.computes == ("n1", "n2")
    assert all(net.cidr.subnet_of(IPv4Network("10.77.0.0/16")) for net in cluster.networks.values())


def test_the_example_is_what_a_lab_gets() -> None:
    example = EXAMPLES / "lab.yaml"
    assert load(example) == Cluster.model_validate(load(example).model_dump(by_alias=True))
    body = [line for line in example.read_text().splitlines() if not line.startswith("#")]
    assert "\n".join(body).strip() == template.cluster_yaml("lab", 0).strip()


def test_machines_get_a_card_per_network_and_a_bmc(tmp_path: Path) -> None:
    machine = define.machines("identity", load(IDENTITY), IMAGES, Path("/home"))["c1"]
    assert [(nic.network, nic.address) for nic in machine.nics] == [
        ("cluster", "10.77.20.11/24"),
        ("api", "10.77.21.11/24"),
        ("bmc", "10.77.22.111/24"),
    ]
    assert machine.bmc == hardware.BmcAddress("10.77.22.11", 623, "admin", "/home/secrets/bmc-c1")


def test_no_two_cards_share_a_mac(tmp_path: Path) -> None:
    machines = define.machines("identity", load(IDENTITY), IMAGES, Path("/home"))
    macs = [nic.mac for machine in machines.values() for nic in machine.nics]
    assert len(set(macs)) == len(macs) == 9


def test_a_definition_is_read_back(tmp_path: Path) -> None:
    for machine in define.machines("lab", made(tmp_path), IMAGES, Path("/home")).values():
        assert hardware.parse(machine.to_json()) == machine


def test_an_address_outside_its_network_is_named(tmp_path: Path) -> None:
    cluster = made(tmp_path)
    node = cluster.nodes["c2"].model_copy(
        update={"addresses": {"cluster": IPv4Address("10.9.9.9"), "api": IPv4Address("10.77.1.12")}}
    )
    broken = cluster.model_copy(update={"nodes": {**cluster.nodes, "c2": node}})
    with pytest.raises(SpecError) as caught:
        define.machines("lab", broken, IMAGES, Path("/home"))
    assert any("c2" in finding and "10.9.9.9" in finding for finding in caught.value.findings)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("apiVersion: quorate/v1\n", "apiVersion: quorate/v1\nssh: {port: 2222}\n", "ssh.port"),
        ("apiVersion: quorate/v1\n", "apiVersion: quorate/v1\nssh: {user: me}\n", "ssh.user"),
        (
            "apiVersion: quorate/v1\n",
            "apiVersion: quorate/v1\nssh: {known_hosts: /root/.ssh/known_hosts}\n",
            "ssh.known_hosts",
        ),
        ("secrets/bmc-c1", "../bmc-c1", "nodes.c1.bmc.password_file"),
        ("api: 10.77.1.11,", "api: 10.77.1.1,", "nodes.c1.addresses.api: 10.77.1.1 is this host's own"),
        ("vip: 10.77.1.102", "vip: 10.77.1.1", "services.keystone.vip: 10.77.1.1 is this host's own"),
    ],
)
def test_what_a_lab_cannot_give_is_said(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = template.cluster_yaml("lab", 0)
    assert before in text
    path = tmp_path / "cluster.yaml"
    path.write_text(text.replace(before, after))
    with pytest.raises(SpecError) as caught:
        define.machines("lab", load(path), IMAGES, tmp_path)
    assert len(caught.value.findings) == 1
    assert said in str(caught.value)


def test_cards_of_open_vswitch_come_without_an_address(tmp_path: Path) -> None:
    machines = define.machines("lab", made(tmp_path), IMAGES, Path("/home"))
    assert [(nic.network, nic.kernel) for nic in machines["c3"].nics] == [
        ("cluster", True),
        ("api", True),
        ("bmc", True),
        ("tunnel", False),
        ("provider", False),
    ]


def test_a_definition_from_before_there_was_open_vswitch_is_read(tmp_path: Path) -> None:
    machine = define.machines("identity", load(IDENTITY), IMAGES, Path("/home"))["c1"]
    old = json.loads(machine.to_json())
    for nic in old["nics"]:
        del nic["kernel"]
    assert hardware.parse(json.dumps(old)) == machine
