"""An unfit host is told apart by one sentence, before anything is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quorate.errors import PreconditionError
from quorate.lab import host

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
        ({"available_mib": 3000}, "3000 MiB of memory"),
        ({"free_mib": 100}, "100 MiB of disk"),
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


def test_not_linux_is_said_before_anything_else() -> None:
    other = host.Facts("Darwin", 501, 0, 0, frozenset(), frozenset(), False, False)
    with pytest.raises(PreconditionError, match="Darwin"):
        host.judge(other)
