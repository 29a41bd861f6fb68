"""The guest image boots from BIOS, knows who it is, writes to disks, and obeys its power button."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import socket
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.events import silent
from quorate.home import state_root
from quorate.lab import aptsources
from quorate.lab.guest import build, qemu, trial
from quorate.lab.guest.store import GuestStore, describe

pytestmark = pytest.mark.lab
BOOT_S = 90.0
MACHINE = "3f0c2a5e-6d1b-4c58-9a52-0f4be1a2c7d9"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtest someone@example"
METADATA = {
    "uuid": MACHINE,
    "name": "web 1",
    "hostname": "web-1.example",
    "public_keys": {"mine": KEY + "\n"},
    "keys": [{"name": "mine", "type": "ssh", "data": KEY}],
    "devices": [{"uuid": "somebody-else"}],
}


@pytest.fixture(scope="module")
def image() -> Path:
    """The guest image, built if this host does not have it."""
    if os.geteuid() != 0:
        pytest.fail("lab tests need root; scripts/test unit does not")
    return build.ensure(GuestStore(state_root()), aptsources.of_host, silent)


@pytest.fixture(scope="module")
def guest(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[qemu.Guest]:
    """One running guest that knows who it is, and has a second disk of 8 MiB."""
    disk = tmp_path_factory.mktemp("disks") / "data"
    with disk.open("wb") as file:
        file.truncate(8 << 20)
    metadata = json.dumps(METADATA).encode()
    with (
        trial.tree(GuestStore(state_root()), aptsources.of_host(), silent) as tree,
        qemu.booted(image, tree, metadata=metadata, disks=[disk], uuid=MACHINE) as running,
    ):
        running.wait(BOOT_S, instance_id=MACHINE)
        yield running


def pattern(seed: str, mib: int) -> str:
    """The SHA-256 of what the guest writes: the seed and a line feed over and over."""
    size, line = mib << 20, f"{seed}\n".encode()
    return hashlib.sha256((line * (size // len(line) + 1))[:size]).hexdigest()


def screen(guest: qemu.Guest) -> str:
    """The characters on the screen: VGA text memory, every second byte is a colour."""
    guest.order("pmemsave", val=0xB8000, size=80 * 50 * 2, filename="/vm/screen")
    return (guest.folder / "screen").read_bytes()[::2].decode("ascii", errors="replace")


def wait_for(what: str, seen: Iterator[str], deadline_s: float) -> None:
    """Look until ``what`` is seen; fails with the last look after ``deadline_s`` seconds."""
    deadline = time.monotonic() + deadline_s
    for text in seen:
        if what in text:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"{what!r} was not seen within {deadline_s:g} s:\n{text[-2000:]}")
        time.sleep(0.2)


def test_it_boots_and_learns_from_the_metadata_service_who_it_is(guest: qemu.Guest) -> None:
    answer = guest.ask()
    assert answer["instance_id"] == MACHINE
    assert answer["dmi_uuid"] == MACHINE
    assert answer["hostname"] == "web-1.example"
    assert answer["public_keys"] == [KEY]
    assert answer["addresses"] == ["eth0 169.254.0.15/16"]
    assert [(disk["name"], disk["serial"]) for disk in answer["disks"]] == [("vda", "boot"), ("vdb", "data")]
    assert answer["cards"][0]["mtu"] == 1500


def test_its_heart_beats_and_it_stays_the_same_boot(guest: qemu.Guest) -> None:
    first = guest.ask()
    deadline = time.monotonic() + 30
    while (later := guest.ask())["beat"] <= first["beat"]:
        assert time.monotonic() < deadline, f"no beat since {first}"
        time.sleep(0.2)
    assert later["boot_id"] == first["boot_id"]
    assert later["uptime_s"] > first["uptime_s"]


def test_what_is_written_to_a_disk_is_there(guest: qemu.Guest) -> None:
    empty = guest.ask("/cgi-bin/disk?name=vdb&mib=2")
    assert empty["sha256"] == hashlib.sha256(bytes(2 << 20)).hexdigest()
    wrote = guest.ask("/cgi-bin/disk?name=vdb&mib=2&seed=first", method="POST")
    assert wrote == {"disk": "vdb", "mib": 2, "sha256": pattern("first", 2)}
    assert guest.ask("/cgi-bin/disk?name=vdb&mib=2") == wrote
    on_disk = (guest.folder / "data").read_bytes()
    assert hashlib.sha256(on_disk[: 2 << 20]).hexdigest() == wrote["sha256"], "it is on the host's side too"


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("name=vda&seed=x", 403, "booted from"),
        ("name=vdx", 404, "there is no disk"),
        ("name=vdb&mib=9", 400, "only 8 MiB"),
        ("name=../mem", 400, "has to be a disk"),
    ],
)
def test_a_disk_that_must_not_be_written_is_refused(
    guest: qemu.Guest, query: str, status: int, reason: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        guest.ask(f"/cgi-bin/disk?{query}", method="POST")
    assert refused.value.code == status
    assert reason in json.load(refused.value)["error"]


def test_a_disk_that_is_plugged_in_while_it_runs_shows_up(guest: qemu.Guest) -> None:
    with (guest.folder / "hot").open("wb") as file:
        file.truncate(2 << 20)
    backing = {"driver": "file", "filename": "/vm/hot"}
    guest.order("blockdev-add", **{"driver": "raw", "node-name": "hot", "file": backing})
    guest.order("device_add", driver="virtio-blk-pci", drive="hot", id="hot", serial="volume-1")
    names = (json.dumps(guest.ask()["disks"]) for _ in itertools.count())
    wait_for('"volume-1"', names, 20)
    assert guest.ask("/cgi-bin/disk?name=vdc&seed=hot", method="POST")["sha256"] == pattern("hot", 1)


def test_both_consoles_ask_for_a_name(guest: qemu.Guest) -> None:
    wait_for("login:", (guest.said() for _ in itertools.count()), 20)
    wait_for("login:", (screen(guest) for _ in itertools.count()), 20)
    assert f"instance {MACHINE}" in guest.said()


def test_people_who_do_not_wait_for_the_answer_do_no_harm(guest: qemu.Guest) -> None:
    """A probe with a short deadline on a slow host: answers that cost anything would pile up in the guest."""
    before = guest.ask()
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", guest.port), timeout=20) as line:
            line.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert guest.wait(60)["boot_id"] == before["boot_id"]
    assert "Out of memory" not in guest.said()


def test_the_power_button_ends_it_at_once(guest: qemu.Guest) -> None:
    assert guest.press_power(20) < 10
    assert "power button" in guest.said()


def test_it_is_small(image: Path) -> None:
    assert image.stat().st_size < 20 << 20
    found = describe(image)
    assert str(found["kernel"]).endswith("-cloud-amd64")
    assert found["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    raw = describe(image.with_suffix(".raw"))
    assert raw["virtual_bytes"] == found["virtual_bytes"] == 32 << 20
