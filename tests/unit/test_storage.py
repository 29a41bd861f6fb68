"""Shared storage: what Pacemaker is asked for, what is read from a disk, and what a lab makes of it."""

from __future__ import annotations

import json
import runpy
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from quorate.errors import SpecError
from quorate.lab import define, hardware, mmp, shared_disks
from quorate.lab.layout import LabFolder
from quorate.node import shared_filesystem
from quorate.pacemaker import cib, storage
from quorate.pacemaker.model import Fragment, Group
from quorate.resources.shared_filesystem import escaped, storage_watch
from quorate.services.rendering import TEMPLATES
from quorate.spec.load import load
from quorate.spec.model import Cluster, Storage

WEB = Storage(device="/dev/disk/by-id/quorate-web", mount="/srv/web", size_mib=128)
IMAGES = dict.fromkeys(("c1", "c2", "c3"), "abc")
AT = datetime(2026, 11, 22, 15, 14, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def agent() -> dict[str, Any]:
    """The guard's own functions."""
    return runpy.run_path(str(TEMPLATES / "pacemaker" / "storage"), run_name="agent")


def superblock(**fields: int) -> bytes:
    block = bytearray(1024)
    values = {"log": 0, "incompatible": 0x100, "mmp": 7, "interval": 1, **fields}
    struct.pack_into("<H", block, 0x38, 0xEF53)
    struct.pack_into("<I", block, 0x18, values["log"])
    struct.pack_into("<I", block, 0x60, values["incompatible"])
    struct.pack_into("<Q", block, 0x168, values["mmp"])
    struct.pack_into("<H", block, 0x166, values["interval"])
    block[0x78:0x7B] = b"web"
    return bytes(block)


def mmp_block(sequence: int) -> bytes:
    return struct.pack("<IIQ64s32s", mmp.MAGIC, sequence, 0, b"w1", b"sdb").ljust(1024, b"\0")


def fenced(**changes: str) -> str:
    event = {"target": "w1", "action": "reboot", "status": "success", "completed": "2026-11-22 15:14:21.5Z"}
    attributes = " ".join(f'{key}="{value}"' for key, value in {**event, **changes}.items())
    return f"<pacemaker-result><list><fence_event {attributes}/></list></pacemaker-result>"


def test_what_holds_the_disk_must_stop_or_the_node_is_fenced() -> None:
    disk = storage.member("web", WEB)
    assert (disk.id, disk.agent) == ("web-disk", "ocf:quorate:storage")
    assert "errors=remount-ro" in disk.params["options"]
    assert next(one for one in disk.operations if one.name == "stop").on_fail == "fence"
    assert disk.meta.get("requires", "fencing") == "fencing"
    # ext4 waits for eleven seconds where nobody was fenced.
    assert next(one for one in disk.operations if one.name == "start").timeout_s > 30
    assert "web-disk" in cib.document([Fragment((Group("web", (disk,)),))])


@pytest.mark.parametrize(
    ("path", "name"),
    [("/dev/disk/by-id/quorate-web", "dev-disk-by\\x2did-quorate\\x2dweb"), ("/dev/a@b", "dev-a\\x40b")],
)
def test_a_path_becomes_an_instance_as_systemd_writes_it(path: str, name: str) -> None:
    assert escaped(path) == name
    watch = storage_watch(Storage(device=path, mount="/srv/web"))
    assert watch.name == f"quorate-storage@{name}.service"


def test_the_mmp_block_is_found_and_read(agent: dict[str, Any]) -> None:
    assert agent["mmp_place"](superblock()) == 7 * 1024
    assert agent["mmp_place"](superblock(log=2)) == 7 * 4096
    assert agent["mmp_place"](superblock(incompatible=0)) is None
    assert agent["mmp_place"](bytes(1024)) is None
    found = agent["parse_mmp"](mmp_block(42))
    assert (found.sequence, found.node, found.device) == (42, "w1", "sdb")
    assert agent["parse_mmp"](bytes(1024)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "w2"},  # ourselves
        {"status": "failed"},
        {"status": "pending"},
        {"action": "on"},
        {"completed": "2026-11-22 15:10:00Z"},  # long ago
        {"completed": "soon"},
    ],
)
def test_only_a_confirmed_recent_fencing_of_another_node_counts(
    agent: dict[str, Any], changes: dict[str, str]
) -> None:
    assert agent["last_fencing"](fenced(), "w2", AT) == ("w1", 0.5)
    assert agent["last_fencing"](fenced(completed="2026-11-22 16:14:21.5 +01:00"), "w2", AT) == ("w1", 0.5)
    assert agent["last_fencing"](fenced(**changes), "w2", AT) is None


def test_the_agent_says_what_it_is(agent: dict[str, Any]) -> None:
    found = ElementTree.fromstring(agent["METADATA"])
    assert {one.get("name") for one in found.iter("parameter")} == {"device", "mount", "options"}
    assert agent["main"](["storage", "dance"], {}) == agent["ERR_UNIMPLEMENTED"]
    assert agent["main"](["storage", "validate-all"], {}) == agent["ERR_CONFIGURED"]


def test_ext4_is_told_from_its_first_kilobytes() -> None:
    head = bytes(1024) + superblock()
    assert shared_filesystem.ext4(head) == {"label": "web", "mmp": True}
    slow = bytes(1024) + superblock(interval=5)
    assert shared_filesystem.ext4(slow) == {"label": "web", "mmp": False}
    assert shared_filesystem.ext4(bytes(4096)) is None


def disk(tmp_path: Path, sequence: int) -> Path:
    path = tmp_path / "disk"
    path.write_bytes((bytes(1024) + superblock()).ljust(7 * 1024, b"\0") + mmp_block(sequence))
    return path


def test_a_power_cut_takes_back_the_kernels_farewell_and_nothing_else(tmp_path: Path) -> None:
    path = disk(tmp_path, mmp.CLEAN)
    mmp.put_back(path, mmp_block(42))
    assert mmp.sequence(mmp.read(path) or b"") == 42
    path = disk(tmp_path, 77)  # another machine has it by now
    mmp.put_back(path, mmp_block(42))
    assert mmp.sequence(mmp.read(path) or b"") == 77
    path.write_bytes(bytes(65536))
    assert mmp.read(path) is None


def clustered(device: str = WEB.device, **service: Any) -> Cluster:
    plain = load(Path(__file__).parents[2] / "examples" / "identity.yaml").model_dump(by_alias=True)
    web = {"unit": "apache2", "mode": "active/passive", "storage": {**WEB.model_dump(), "device": device}}
    plain["services"] = {"web": {**web, **service}}
    return Cluster.model_validate(plain)


def test_a_lab_gives_the_disk_to_the_nodes_of_the_service(tmp_path: Path) -> None:
    made = define.machines("lab", clustered(nodes=("c1", "c3")), IMAGES, tmp_path)
    assert made["c1"].shared == made["c3"].shared == (hardware.SharedDisk(WEB.device, 128),)
    assert made["c2"].shared == ()
    everywhere = define.machines("lab", clustered(), IMAGES, tmp_path)
    assert all(machine.shared for machine in everywhere.values())
    assert define.machines("lab", clustered(enabled=False), IMAGES, tmp_path)["c1"].shared == ()


def test_a_disk_that_a_lab_cannot_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        define.machines("lab", clustered(device="/dev/vda"), IMAGES, tmp_path)
    assert "services.web.storage.device" in str(caught.value)


def test_machines_made_before_there_were_shared_disks_stay_usable(tmp_path: Path) -> None:
    machine = define.machines("lab", clustered(), IMAGES, tmp_path)["c1"]
    assert hardware.parse(machine.to_json()) == machine
    old = json.loads(machine.to_json())
    del old["shared"]
    assert hardware.parse(json.dumps(old)).shared == ()


def test_backing_files_are_made_once_and_sparse(tmp_path: Path) -> None:
    lab = LabFolder(tmp_path, "lab")
    lab.path.mkdir(parents=True)
    made = define.machines("lab", clustered(), IMAGES, tmp_path).values()
    shared_disks.make(lab, made)
    path = lab.shared / shared_disks.file_name(WEB.device)
    assert path.stat().st_size == 128 << 20 and path.stat().st_blocks < 100
    path.write_bytes(b"data")
    shared_disks.make(lab, made)
    assert path.read_bytes() == b"data"


def test_a_mount_is_found_by_the_number_of_its_device() -> None:
    text = (
        "60 50 7:12 / /srv/web\\040site rw - ext4 /dev/disk/by-id/quorate-web rw\n"
        "61 50 7:12 /sub /var/bound rw - ext4 /dev/disk/by-id/quorate-web rw\n"
        "62 50 7:1 / / rw - ext4 /dev/loop1 rw\n"
    )
    assert shared_disks.points(text, "7:12") == ["/srv/web site"]
