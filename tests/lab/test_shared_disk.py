"""A disk that two hosts see, on real block devices: what a power cut loses, and what two mounts destroy.

Each host is a loop device of its own over one file, and a mount namespace. No cluster is needed, but root.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.lab.plane import until

from quorate.lab import ext4, mmp, shared_disks
from quorate.lab.hardware import SharedDisk
from quorate.lab.layout import LabFolder, NodeFolder
from quorate.node import shared_filesystem, tools
from quorate.services.rendering import TEMPLATES

pytestmark = pytest.mark.lab
AGENT = TEMPLATES / "pacemaker" / "storage"
DEVICE = "/dev/disk/by-id/quorate-test"
BUSY_S = 90.0
"""Far longer than anything here takes."""
EXT4_WAITS_S = 10.0
"""What ext4 waits at the least where the protection is not clean: 2 * 5 + 1 s (Linux fs/ext4/mmp.c)."""


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=check, timeout=BUSY_S)


@dataclass(frozen=True)
class Host:
    """One host's view of the disk: a block device of its own, and a mount namespace to mount it in."""

    folder: NodeFolder
    life: subprocess.Popen[bytes]
    """Keeps the mount namespace."""

    @property
    def disk(self) -> Path:
        """The file of its block device."""
        return next(iter(shared_disks.attached(self.folder).values()))

    @property
    def device(self) -> str:
        return f"/dev/{next(iter(shared_disks.attached(self.folder)))}"

    @property
    def mount_point(self) -> str:
        return f"{self.folder.path}/mnt"

    @property
    def files(self) -> Path:
        """What is mounted, as this process reaches it."""
        return Path(f"/proc/{self.life.pid}/root{self.mount_point}")

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return run("nsenter", "--mount", f"--target={self.life.pid}", *argv)

    def mount(self) -> Path:
        options = "noatime,errors=remount-ro"
        self.run("mount", "-t", "ext4", "-o", options, self.device, self.mount_point)
        return self.files

    def unmount(self) -> None:
        self.run("umount", self.mount_point)

    def cut_power(self) -> None:
        """What the lab's power switch does to a machine's shared disks."""
        file, before = self.disk, mmp.read(self.disk)
        ext4.lose_power(self.files)
        self.unmount()
        shared_disks.lost(self.folder, {file: before} if before else {})

    def back(self) -> None:
        """Power again."""
        shared_disks.attach(self.folder, [SharedDisk(DEVICE, 64)])

    def agent(self, action: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The agent that mounts it, on this host."""
        parameters = {"OCF_RESKEY_device": self.device, "OCF_RESKEY_mount": self.mount_point}
        path = {"PATH": f"{self.folder.path}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        # As long as Pacemaker gives a start: ext4 waits longer where the one before was late at renewing.
        path["OCF_RESKEY_CRM_meta_timeout"] = "60000"
        instance = {"OCF_RESOURCE_INSTANCE": f"test-{self.folder.node}", "OCF_RESKEY_CRM_meta_on_node": "b"}
        enter = ["nsenter", "--mount", f"--target={self.life.pid}", sys.executable, "-ISB", str(AGENT)]
        return subprocess.run(
            [*enter, action],
            env={**os.environ, **path, **parameters, **instance, **environment},
            capture_output=True, text=True, check=False, timeout=BUSY_S,
        )  # fmt: skip

    def fencing(self, target: str) -> None:
        """Pacemaker's history on this host: ``target`` was fenced just now."""
        when = datetime.now(UTC).isoformat(sep=" ").replace("+00:00", "Z")
        event = f'<fence_event action="reboot" target="{target}" status="success" completed="{when}"/>'
        program = self.folder.path / "crm_mon"
        program.write_text(f"#!/bin/sh\necho '<pacemaker-result><list>{event}</list></pacemaker-result>'\n")
        program.chmod(0o755)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts, and a disk with a file system as an apply makes it."""
    if os.geteuid() != 0:
        pytest.fail("these tests mount file systems and need root")
    lab = LabFolder(tmp_path, "t-shared")
    lab.shared.mkdir(parents=True)
    with (lab.shared / shared_disks.file_name(DEVICE)).open("wb") as file:
        file.truncate(64 << 20)
    both = []
    for name in ("a", "b"):
        folder = lab.node(name)
        (folder.path / "mnt").mkdir(parents=True)
        # Slave: what is mounted here is nobody else's, also no machine's that starts meanwhile.
        life = subprocess.Popen(["unshare", "--mount", "--propagation", "slave", "sleep", "infinity"])
        both.append(Host(folder, life))
        until("a mount namespace", lambda pid=life.pid: namespace(pid) != namespace("self"), BUSY_S)
        both[-1].back()
    try:
        shared_filesystem.fix(wanted(both[0]), {}, ["holds"])
        yield both[0], both[1]
    finally:
        for host in both:
            Path(f"/run/quorate/storage-test-{host.folder.node}").unlink(missing_ok=True)
            host.life.kill()  # its mounts end with it
            host.life.wait()
        shared_disks.detach_lab(lab)


def namespace(pid: int | str) -> Path:
    return Path(f"/proc/{pid}/ns/mnt").readlink()


def wanted(host: Host, label: str = "web") -> dict[str, str]:
    return {"device": host.device, "label": label, "service": label}


def check(host: Host) -> subprocess.CompletedProcess[str]:
    """e2fsck changes nothing; the multi-mount protection must not keep it away."""
    return run("e2fsck", "-fn", host.device, check=False)


def append(path: Path, text: str, sync: bool = True) -> None:
    with path.open("a") as file:
        file.write(text)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def sequence(host: Host) -> int:
    block = mmp.read(host.disk)
    assert block is not None
    return mmp.sequence(block)


def test_what_one_host_unmounted_the_other_sees(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    append(a.mount() / "page", "from a\n")
    a.unmount()
    append(b.mount() / "page", "from b\n")
    b.unmount()
    assert (a.mount() / "page").read_text() == "from a\nfrom b\n"
    a.unmount()
    assert check(b).returncode == 0


def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    there = a.mount()
    append(there / "synced", "acknowledged\n")
    append(there / "unsynced", "not yet\n", sync=False)
    a.cut_power()
    assert sequence(b) != mmp.CLEAN  # a host without power declares nothing clean
    b.fencing("a")
    assert b.agent("start").returncode == 0
    assert (b.files / "synced").read_text() == "acknowledged\n"
    assert not (b.files / "unsynced").exists() or (b.files / "unsynced").read_text() == ""
    assert b.agent("stop").returncode == 0
    found = check(b)
    assert found.returncode == 0, found.stdout
    a.back()
    assert (a.mount() / "synced").read_text() == "acknowledged\n"


def test_power_is_lost_too_by_a_file_system_that_no_list_of_mounts_shows(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.folder.fs.mkdir()
    there = a.mount()
    append(there / "synced", "acknowledged\n")
    with (there / "unsynced").open("w") as file:
        file.write("not yet\n")
        file.flush()
        a.run("umount", "--lazy", a.mount_point)
        before = shared_disks.cut(a.folder)
    shared_disks.lost(a.folder, before)
    assert len(before) == 1 and sequence(b) != mmp.CLEAN
    b.fencing("a")
    assert b.agent("start").returncode == 0
    assert (b.files / "synced").read_text() == "acknowledged\n"
    assert not (b.files / "unsynced").exists() or (b.files / "unsynced").read_text() == ""


def test_ext4_refuses_a_second_mount_while_the_first_lives(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    append(a.mount() / "page", "from a\n")
    with pytest.raises(subprocess.CalledProcessError):
        b.mount()
    append(a.files / "page", "still a\n")
    a.unmount()
    assert check(a).returncode == 0


def test_it_is_not_mounted_while_anybody_writes_whatever_the_bmc_said(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.mount()
    b.fencing("a")
    done = b.agent("start")
    assert done.returncode == 1
    assert "fencing said that a is off, but it still writes" in done.stderr
    assert sequence(b) != mmp.CLEAN
    a.unmount()
    assert b.agent("start").returncode == 0


@pytest.mark.parametrize("fenced", ["", "b"])
def test_without_a_fencing_of_another_node_ext4_waits(hosts: tuple[Host, Host], fenced: str) -> None:
    a, b = hosts
    a.mount()
    a.cut_power()
    if fenced:
        b.fencing(fenced)
    begun = time.monotonic()
    assert b.agent("start").returncode == 0
    assert time.monotonic() - begun > EXT4_WAITS_S


def test_an_old_note_of_the_watch_is_not_trusted(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    a.mount()
    before = sequence(b)
    until("a to renew its mark", lambda: sequence(b) != before, BUSY_S)
    note = Path("/run/quorate") / f"mmp-{b.device.strip('/').replace('/', '-')}"
    note.parent.mkdir(exist_ok=True)
    note.write_text(json.dumps({"sequence": sequence(b), "since": 0, "seen": 0}))
    try:
        b.fencing("a")
        assert b.agent("start").returncode == 1
    finally:
        note.unlink()


def test_a_stop_ends_only_when_the_kernel_lets_the_disk_go(hosts: tuple[Host, Host]) -> None:
    a, _ = hosts
    assert a.agent("start").returncode == 0
    with (a.files / "open").open("w"):
        a.run("umount", "--lazy", a.mount_point)  # gone from every list of mounts, and as alive as before
        done = a.agent("stop", OCF_RESKEY_CRM_meta_timeout="2000")
        assert done.returncode == 1 and "still in use" in done.stderr
    assert a.agent("stop").returncode == 0
    assert a.agent("monitor").returncode == 7


def test_a_stop_ends_whoever_still_uses_the_disk(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    assert a.agent("start").returncode == 0
    enter = ["nsenter", "--mount", f"--target={a.life.pid}", "sh", "-c"]
    stays = f"trap '' TERM; cd {a.mount_point} && echo ready && while :; do sleep 0.1; done"
    with subprocess.Popen([*enter, stays], stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None and user.stdout.readline() == "ready\n"
        assert a.agent("stop", OCF_RESKEY_CRM_meta_timeout="10000").returncode == 0
        assert user.wait(timeout=BUSY_S) == -signal.SIGKILL
    assert b.agent("start").returncode == 0


def test_the_monitor_finds_a_file_system_that_is_dead_or_read_only(hosts: tuple[Host, Host]) -> None:
    a, _ = hosts
    interval = {"OCF_RESKEY_CRM_meta_interval": "5000"}
    assert a.agent("monitor", **interval).returncode == 7
    assert a.agent("start").returncode == 0
    assert a.agent("monitor", **interval).returncode == 0
    a.run("mount", "-o", "remount,ro", a.mount_point)
    assert a.agent("monitor", **interval).returncode == 1
    a.run("mount", "-o", "remount,rw", a.mount_point)
    assert a.agent("monitor", **interval).returncode == 0
    ext4.lose_power(a.files)
    assert a.agent("monitor", **interval).returncode == 1


def test_negative_control_two_mounts_destroy_it_and_that_is_found(hosts: tuple[Host, Host]) -> None:
    """The protection is taken away on purpose. If this finds no damage, no other test here means anything."""
    a, b = hosts
    a.mount()
    run("tune2fs", "-f", "-E", "clear_mmp", b.device, check=False)
    b.mount()
    records = [(host, number) for host in (a, b) for number in range(200)]
    for host in (a, b):
        (host.files / host.folder.node).mkdir()
    for host, number in records:
        append(host.files / host.folder.node / str(number), content(host, number))
    a.unmount()
    b.unmount()
    found = check(a)
    a.mount()
    lost = [
        number
        for host, number in records
        if not intact(a.files / host.folder.node / str(number), content(host, number))
    ]
    assert found.returncode >= 4 or lost, "two hosts wrote to one disk, and no damage was seen"


def content(host: Host, number: int) -> str:
    return f"record {number} of {host.folder.node}\n" * 40


def intact(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except (OSError, ValueError):
        return False


def test_a_disk_is_formatted_once_and_only_when_it_is_blank(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    assert shared_filesystem.look(wanted(b)) == {"holds": "ours", "what": "", "mmp": True}
    assert shared_filesystem.look(wanted(b, "other"))["holds"] == "foreign"
    with pytest.raises(tools.Failed, match="holds an ext4 file system with the label 'web'"):
        shared_filesystem.fix(wanted(b, "other"), {}, ["holds"])
    run("mkfs.ext4", "-q", "-F", "-L", "web", a.device)
    assert shared_filesystem.look(wanted(b)) == {"holds": "ours", "what": "", "mmp": False}
    with pytest.raises(tools.Failed, match="mmp_update_interval=1"):
        shared_filesystem.fix(wanted(b), {}, ["mmp"])
    run("wipefs", "--all", a.device)
    # No signature is left, but not zero either: somebody's data, for all we know.
    assert shared_filesystem.look(wanted(b))["holds"] == "foreign"
    run("dd", "if=/dev/zero", f"of={a.device}", "bs=1M", "count=1", "conv=fsync")
    assert shared_filesystem.look(wanted(b))["holds"] == "blank"
    run("mkswap", a.device)
    assert "swap" in shared_filesystem.look(wanted(b))["what"]
    missing = {**wanted(b), "device": "/dev/disk/by-id/quorate-nowhere"}
    with pytest.raises(tools.Failed, match=r"has no /dev/disk/by-id/quorate-nowhere"):
        shared_filesystem.fix(missing, {}, ["holds"])
