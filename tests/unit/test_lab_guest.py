"""The guest image: its key, what is called, and the scripts that run inside of it, run here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from quorate.cli.guest_image import guest_image
from quorate.errors import LabError, PreconditionError, UsageError
from quorate.events import silent
from quorate.lab.aptsources import Mirror
from quorate.lab.guest import build, qemu, recipe
from quorate.lab.guest.store import GuestStore, describe
from quorate.lab.image_store import ImageStore

FILES = recipe.FILES / "files"
MIRROR = Mirror("http://m.example/debian", "http://s.example/debian-security")


def inside(root: Path, script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the guest here, its paths under ``root``, its own helpers first in PATH."""
    tools = root / "tools"
    tools.mkdir(exist_ok=True)
    for helper in ("value", "say", "metadata", "ip"):
        if not (tools / helper).exists():
            body = (FILES / "sbin/value").read_text() if helper == "value" else "#!/bin/sh\nexit 0\n"
            (tools / helper).write_text(body)
            (tools / helper).chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", str(FILES / script), *words],
        env={"PATH": path, "GUEST_ROOT": str(root), **environment},
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the scripts look at: one boot disk, one data disk of 3 MiB, one card."""
    files = {
        "proc/sys/kernel/random/boot_id": "b-1\n",
        "proc/sys/kernel/osrelease": "6.12.1-cloud-amd64\n",
        "proc/sys/kernel/hostname": "web-1\n",
        "proc/sys/vm/drop_caches": "0\n",
        "proc/uptime": "12.34 20.00\n",
        "sys/class/dmi/id/product_uuid": "dmi-1\n",
        "sys/block/vda/size": "65536\n",
        "sys/block/vdb/size": "6144\n",
        "sys/block/vdb/serial": "volume-1",
        "sys/class/net/eth0/ifindex": "2\n",
        "sys/class/net/eth0/mtu": "1442\n",
        "sys/class/net/eth0/address": "fa:16:3e:00:00:01\n",
        "sys/class/net/eth0/device/vendor": "0x1af4\n",
        "sys/class/net/lo/mtu": "65536\n",
        "etc/hosts": "",
        "run/x": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/vdb").write_bytes(bytes(3 << 20))
    return tmp_path


def facts(root: Path) -> dict[str, object]:
    inside(root, "sbin/facts", ONCE="1")
    found = json.loads((root / "run/facts.json").read_text())
    assert isinstance(found, dict)
    return found


def test_the_key_changes_with_every_file(tmp_path: Path) -> None:
    copy = tmp_path / "image"
    shutil.copytree(recipe.FILES, copy)
    assert recipe.key(copy) == recipe.key()
    (copy / "files/init").write_text("#!/bin/sh\n")
    assert recipe.key(copy) != recipe.key()


def test_packages_are_only_unpacked_and_the_hook_runs_with_the_cache_gone(tmp_path: Path) -> None:
    argv = build.unpack(recipe.PACKAGES, MIRROR, tmp_path, "sh hook")
    assert "--variant=extract" in argv
    assert {"linux-image-cloud-amd64", "busybox-static"} < set(
        next(word for word in argv if word.startswith("--include=")).partition("=")[2].split(",")
    )
    hooks = [word for word in argv if word.startswith("--extract-hook=")]
    assert [word.split()[0] for word in hooks] == ["--extract-hook=umount", "--extract-hook=sh"]
    assert argv[-4:] == [str(tmp_path), *MIRROR.lines()]


def test_an_image_that_is_there_needs_neither_root_nor_a_mirror(tmp_path: Path) -> None:
    store = GuestStore(tmp_path)
    image = store.image(recipe.key(), "raw")
    image.parent.mkdir(parents=True)
    image.write_bytes(bytes(1 << 20))
    (image.parent / "kernel").write_text("6.12.1-cloud-amd64\n")

    def nobody() -> Mirror:
        raise AssertionError("the mirror was asked for")

    assert build.ensure(store, nobody, silent, "raw") == image
    found = describe(image)
    assert found["sha256"] == hashlib.sha256(bytes(1 << 20)).hexdigest()
    assert (found["virtual_bytes"], found["kernel"]) == (1 << 20, "6.12.1-cloud-amd64")


def test_without_root_nothing_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PreconditionError, match="root"):
        build.ensure(GuestStore(tmp_path), lambda: MIRROR, silent)
    assert not list(tmp_path.iterdir())


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = GuestStore(tmp_path)

    def fail(argv: list[str], *_: object) -> None:
        (store.folder / f".building-{recipe.key()}/tree").mkdir()
        raise LabError("the guest image could not be built")

    monkeypatch.setattr(build, "run", fail)
    monkeypatch.setattr(build, "check_host", lambda listener: None)
    monkeypatch.setattr("quorate.lab.cgroup.Group.kill", lambda self: None)
    monkeypatch.setattr("quorate.lab.image_store.unified", lambda: tmp_path / "cgroup")
    with pytest.raises(LabError, match="could not be built"):
        build.ensure(store, lambda: MIRROR, silent)
    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_images_of_older_recipes_go_but_the_newest_of_them(tmp_path: Path) -> None:
    store = GuestStore(tmp_path)
    for age, name in enumerate(["oldest", "older", "now"]):
        (store.folder / name).mkdir(parents=True)
        (store.folder / name / "guest.qcow2").touch()
        os.utime(store.folder / name, (age, age))
    assert store.remove_old("now") == ["oldest"]
    assert sorted(path.name for path in store.folder.iterdir()) == ["now", "older"]


def test_a_guest_image_and_a_machine_image_can_be_built_at_once(tmp_path: Path) -> None:
    guest, machines = GuestStore(tmp_path), ImageStore(tmp_path)
    assert guest.folder != machines.folder, "the lock is in it, and the control group is named after it"
    assert guest.cache != machines.cache, "apt locks it"


def test_qemu_never_uses_kvm_and_the_metadata_address_is_on_the_guests_network() -> None:
    argv = " ".join(qemu.arguments(4711, "raw", True, ["data"], "u-1"))
    assert "accel=tcg" in argv
    assert "kvm" not in argv
    assert "guestfwd=tcp:169.254.169.254:80" in argv
    assert "hostfwd=tcp:127.0.0.1:4711-:80" in argv
    assert "guestfwd" not in " ".join(qemu.arguments(4711, "raw", False, [], "u-1"))


def test_facts_before_the_metadata_service_answered(root: Path) -> None:
    found = facts(root)
    assert (found["instance_id"], found["public_keys"]) == ("", [])
    assert (found["dmi_uuid"], found["boot_id"], found["uptime_s"]) == ("dmi-1", "b-1", 12.34)
    assert found["cards"] == [{"name": "eth0", "mtu": 1442, "mac": "fa:16:3e:00:00:01"}]
    assert found["disks"] == [
        {"name": "vda", "bytes": 32 << 20, "serial": ""},
        {"name": "vdb", "bytes": 3 << 20, "serial": "volume-1"},
    ]


def test_facts_are_json_whatever_the_metadata_say(root: Path) -> None:
    key = "ecdsa-sha2-nistp256 AAAAE2VjZHNh me@home"
    metadata = {
        "name": 'we"b\\1', "uuid": "i-1", "devices": [{"uuid": "i-2"}],
        "public_keys": {"a": key + "\n"}, "keys": [{"data": key, "type": "ssh", "name": "a"}],
    }  # fmt: skip
    (root / "run/meta_data.json").write_text(json.dumps(metadata))
    (root / "proc/sys/kernel/hostname").write_text('we"b\\1\n')
    found = facts(root)
    assert (found["instance_id"], found["hostname"], found["public_keys"]) == ("i-1", "web1", [key])


def disk(root: Path, method: str, query: str) -> tuple[str, dict[str, object]]:
    said = inside(root, "www/cgi-bin/disk", REQUEST_METHOD=method, QUERY_STRING=query).stdout
    head, _, body = said.partition("\n\n" if "\r" not in said else "\r\n\r\n")
    return head.splitlines()[0].removeprefix("Status: "), json.loads(body)


def test_a_disk_is_filled_with_the_pattern_and_read_back(root: Path) -> None:
    size = 2 << 20
    wanted = hashlib.sha256((b"abc\n" * size)[:size]).hexdigest()
    status, body = disk(root, "POST", "name=vdb&mib=2&seed=abc")
    assert (status, body) == ("200 OK", {"disk": "vdb", "mib": 2, "sha256": wanted})
    assert disk(root, "GET", "name=vdb&mib=2")[1]["sha256"] == wanted
    assert (root / "dev/vdb").stat().st_size == 3 << 20, "the disk keeps its length"
    assert not (root / "run/disk.lock").exists()


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("POST", "name=vda", "403 Forbidden"),
        ("POST", "name=vdc", "404 Not Found"),
        ("POST", "", "400 Bad Request"),
        ("POST", "name=../vdb", "400 Bad Request"),
        ("POST", "name=vdb&mib=4", "400 Bad Request"),
        ("POST", "name=vdb&mib=-1", "400 Bad Request"),
        ("POST", "name=vdb&seed=a%20b", "400 Bad Request"),
        ("PUT", "name=vdb", "405 Method Not Allowed"),
    ],
)
def test_what_a_disk_cannot_be_asked(root: Path, method: str, query: str, status: str) -> None:
    said, body = disk(root, method, query)
    assert said == status
    assert body["error"]
    assert (root / "dev/vdb").read_bytes() == bytes(3 << 20)


def test_a_disk_that_cannot_be_read_to_the_end_is_an_error(root: Path) -> None:
    (root / "dev/vdb").write_bytes(bytes(1000))
    assert disk(root, "GET", "name=vdb&mib=1")[0] == "500 Internal Server Error"


def test_one_disk_request_at_a_time_and_a_dead_one_does_not_count(root: Path) -> None:
    (root / "run/disk.lock").mkdir()
    (root / "run/disk.lock/owner").write_text(f"{os.getpid()}\n")
    assert disk(root, "GET", "name=vdb")[0] == "503 Service Unavailable"
    (root / "run/disk.lock/owner").write_text(
        "4194304\n"
    )  # above the largest process id (proc_sys_kernel(5))
    assert disk(root, "GET", "name=vdb")[0] == "200 OK"


def lease(root: Path, **options: str) -> list[str]:
    """What is asked of ip(8) when a lease comes."""
    tools = root / "tools"
    tools.mkdir()
    (tools / "ip").write_text(f'#!/bin/sh\necho "$*" >> {root}/calls\n')
    (tools / "ip").chmod(0o755)
    inside(root, "etc/dhcp", "bound", interface="eth0", ip="10.0.0.5", mask="24", **options)
    return (root / "calls").read_text().splitlines()


def test_a_lease_sets_mtu_address_and_the_first_router(root: Path) -> None:
    calls = lease(root, mtu="1442", router="10.0.0.1 10.0.0.2", dns="10.0.0.3")
    assert calls == [
        "link set eth0 mtu 1442",
        "addr flush dev eth0",
        "addr replace 10.0.0.5/24 dev eth0",
        "route replace 0.0.0.0/0 via 10.0.0.1 dev eth0 metric 102",
    ]
    assert (root / "etc/resolv.conf").read_text() == "nameserver 10.0.0.3\n"


def test_classless_routes_replace_the_router(root: Path) -> None:
    routes = "169.254.169.254/32 10.0.0.2 0.0.0.0/0 10.0.0.1 10.9.0.0/16 0.0.0.0"
    assert lease(root, router="10.0.0.254", staticroutes=routes)[2:] == [
        "route replace 169.254.169.254/32 via 10.0.0.2 dev eth0 metric 102",
        "route replace 0.0.0.0/0 via 10.0.0.1 dev eth0 metric 102",
        "route replace 10.9.0.0/16 dev eth0 metric 102",
    ]


def test_the_command_prints_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_STATE", str(tmp_path))
    image = GuestStore(tmp_path).image(recipe.key(), "qcow2")
    image.parent.mkdir(parents=True)
    image.write_bytes(b"image")
    image.with_suffix(".raw").write_bytes(bytes(4096))
    (image.parent / "kernel").write_text("6.12.1-cloud-amd64\n")
    ran = CliRunner().invoke(guest_image, ["--path"])
    assert (ran.exit_code, ran.output) == (0, f"{image}\n")
    ran = CliRunner().invoke(guest_image, ["--json"])
    assert json.loads(ran.output) == {
        "path": str(image),
        "bytes": 5,
        "virtual_bytes": 4096,
        "sha256": hashlib.sha256(b"image").hexdigest(),
        "kernel": "6.12.1-cloud-amd64",
    }
    assert isinstance(CliRunner().invoke(guest_image, ["--path", "--try"]).exception, UsageError)
