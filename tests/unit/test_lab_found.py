"""A lab is found by what it is made of: mounts, processes, tables, rules, loop devices."""

from __future__ import annotations

import json
from pathlib import Path

from quorate.lab import bmcs, cgroup, links, loops, lower
from quorate.lab.links import Fault, Faulty

LABS = Path("/var/lib/quorate/labs")
MOUNTINFO = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 21 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 30 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
60 21 7:0 / /var/lib/quorate/labs/lab/c1/fs rw - ext4 /dev/loop0 rw
61 21 0:50 / /var/lib/quorate/labs/lab/c1/fs/deeper rw - overlay overlay rw
"""


def test_cgroup2_is_found_where_it_is_mounted() -> None:
    assert cgroup.mount_point(MOUNTINFO) == Path("/sys/fs/cgroup/unified")
    assert cgroup.mount_point("21 1 254:0 / / rw - ext4 /dev/root rw\n") is None


def test_the_processors_are_shared_out_where_version_1_has_the_controller() -> None:
    assert cgroup.processors(MOUNTINFO) == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert cgroup.processors("31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n") is None


def test_mounts_of_labs_come_deepest_first() -> None:
    assert lower.mounts_below(MOUNTINFO, LABS) == [
        "/var/lib/quorate/labs/lab/c1/fs/deeper",
        "/var/lib/quorate/labs/lab/c1/fs",
    ]


def test_a_path_belongs_to_the_lab_whose_folder_it_is_in() -> None:
    assert lower.lab_of("/var/lib/quorate/labs/two/c1/disk.img", LABS) == "two"
    assert lower.lab_of("/var/lib/quorate/labs", LABS) is None
    assert lower.lab_of("/var/lib/quorate/labsx/two", LABS) is None
    assert lower.lab_of("/elsewhere", LABS) is None


def test_a_bmc_is_told_by_its_command_line() -> None:
    words = [b"/venv/bin/python", b"-m", b"quorate.lab.bmc", b"/var/lib/quorate/labs/lab/c1", b""]
    assert bmcs.parse(b"\0".join(words)) == LABS / "lab" / "c1"
    assert bmcs.parse(b"grep\0quorate.lab.bmc\0/var\0") is None
    assert bmcs.parse(b"") is None


def test_tables_of_labs_are_told_from_others() -> None:
    tables = [
        {"metainfo": {}},
        *({"table": {"family": "bridge", "name": name}} for name in ("quorate-lab", "filter")),
    ]
    assert lower.parse_tables(json.dumps({"nftables": tables})) == [("lab", "quorate-lab")]
    assert lower.parse_tables("") == []


def test_loop_devices_in_use_are_listed_with_their_file(tmp_path: Path) -> None:
    (tmp_path / "loop0/loop").mkdir(parents=True)
    (tmp_path / "loop0/loop/backing_file").write_text("/var/lib/quorate/labs/lab/c1/disk.img (deleted)\n")
    (tmp_path / "loop1").mkdir()
    assert loops.backing(tmp_path) == {"loop0": "/var/lib/quorate/labs/lab/c1/disk.img"}


def test_nothing_left_is_nothing_to_say() -> None:
    assert lower.Found("lab").remains() == ""
    assert "loop3" in lower.Found("lab", loops=["loop3"]).remains()


def test_each_fault_drops_in_its_direction() -> None:
    def chains(fault: Fault) -> list[str]:
        return [rule.split()[4] for rule in links.rules("lab", Faulty("c1", "api", fault))]

    assert chains(Fault.CUT) == ["sent", "received"]
    assert chains(Fault.RECEIVE_ONLY) == ["sent"]
    assert chains(Fault.SEND_ONLY) == ["received"]
    loss = links.rules("lab", Faulty("c1", "api", Fault.LOSS, 2.5))
    assert all("numgen random mod 10000 < 250 " in rule for rule in loss)


def test_faults_are_read_back_from_nft() -> None:
    rules = [
        {"rule": {"chain": "sent", "handle": 4, "comment": "c1/api/loss/2.5"}},
        {"rule": {"chain": "sent", "handle": 5, "comment": "somebody else's"}},
        {"rule": {"chain": "sent", "handle": 6}},
    ]
    found = links.parse(json.dumps({"nftables": rules}))
    assert found == [(Faulty("c1", "api", Fault.LOSS, 2.5), "sent", 4)]
