"""Keys of a lab are made once, and what was made is found again."""

from __future__ import annotations

import stat
from pathlib import Path

from quorate.lab import access
from quorate.lab.layout import NodeFolder


def test_a_key_pair_is_made_once_and_private(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "labs/lab/c1")
    line = access.host_key(folder)
    private = folder.seed / "ssh_host_ed25519_key"
    kept = private.read_bytes()
    assert line.startswith("ssh-ed25519 ") and line.endswith(" root@c1")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert access.host_key(folder) == line
    private.with_name("ssh_host_ed25519_key.pub").unlink()
    assert access.host_key(folder) == line, "the public half follows from the private one"
    assert private.read_bytes() == kept


def test_a_public_key_without_its_private_half_is_worth_nothing(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "labs/lab/c1")
    line = access.host_key(folder)
    (folder.seed / "ssh_host_ed25519_key").unlink()
    assert access.host_key(folder) != line
