"""An unfit host is told apart by one sentence, before anything is touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quorate.errors import PreconditionError
from quorate.lab import host, template
from quorate.services.registry import memory_of

ROOT = Path(__file__).resolve().parents[2]
FIT = host.Facts(
    system="Linux",
    uid=0,
    available_mib=20_000,
    free_mib=50_000,
    filesystems=frozenset({"overlay", "ext4", "tmpfs"}),
    namespaces=frozenset({"net", "mnt", "pid", "uts", "ipc", "cgroup", "user"}),
    loop=True,
    cgroup2=True,
)


def test_a_fit_host_passes() -> None:
    host.judge(FIT)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"system": "Darwin"}, "Linux"),
        ({"uid": 1000}, "root"),
        ({"filesystems": frozenset({"ext4"})}, "overlay"),
        ({"namespaces": frozenset({"net"})}, "namespaces"),
        ({"loop": False}, "loop"),
        ({"cgroup2": False}, "cgroup"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(change: dict[str, object], word: str) -> None:
    with pytest.raises(PreconditionError, match=word) as caught:
        host.judge(replace(FIT, **change))  # type: ignore[arg-type]
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("change", "word"),
    [({"available_mib": 3000}, "3000 MiB of memory"), ({"free_mib": 4000}, "4000 MiB of disk")],
)
def test_too_little_room_for_three_new_machines(change: dict[str, int], word: str) -> None:
    with pytest.raises(PreconditionError, match=word) as caught:
        host.judge_room(replace(FIT, **change), memory_mib=4000, to_make=3, images=1)  # type: ignore[arg-type]
    assert "\n" not in caught.value.what


def test_what_is_there_asks_for_no_room() -> None:
    full = replace(FIT, available_mib=0, free_mib=0)
    host.judge_room(full, memory_mib=0, to_make=0, images=0)
    host.judge_room(replace(full, available_mib=1500), memory_mib=1400, to_make=0, images=0)


@pytest.mark.parametrize("document", ["README.md", "docs/quickstart.md"])
def test_the_documents_promise_what_is_checked(document: str) -> None:
    text = " ".join((ROOT / document).read_text().split())
    assert "15 GiB of free memory and 10 GiB of free disk" in text
    cluster = template.cluster("lab")
    memory_mib = sum(host.MACHINE_MEMORY_MIB + memory_of(cluster, node) for node in cluster.nodes)
    room = replace(FIT, available_mib=15 << 10, free_mib=10 << 10)
    host.judge_room(room, memory_mib=memory_mib, to_make=len(cluster.nodes), images=2)


def test_not_linux_is_said_before_anything_else() -> None:
    other = host.Facts("Darwin", 501, 0, 0, frozenset(), frozenset(), False, False)
    with pytest.raises(PreconditionError, match="Darwin"):
        host.judge(other)
