"""A file on a shared storage: whose it is to judge, and where it is written."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.node import shared_file, tools

MOUNT = "/dev/shm"
"""A file system that is mounted on every Linux (shm_overview(7))."""


def asked(mount: str, path: str, content: str = "new\n", **more: Any) -> dict[str, Any]:
    """The arguments of a file of our own account."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    owner, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    want = {"type": "file", "mode": "0644", "owner": owner, "group": group, "sha256": digest}
    return {"path": path, "mount": mount, "content": content, "sha256": digest, "want": want, **more}


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder of our own on what is mounted."""
    folder = Path(tempfile.mkdtemp(prefix="quorate-test-", dir=MOUNT))
    yield folder
    shutil.rmtree(folder)


def fix(args: dict[str, Any]) -> None:
    shared_file.fix(args, {"right": True}, ["right"])


def test_where_nothing_is_mounted_it_is_right_and_left_alone(tmp_path: Path) -> None:
    args = asked(str(tmp_path), f"{tmp_path}/folder/file")
    assert shared_file.look(args) == {"right": True, "mounted": False}
    fix(args)
    assert list(tmp_path.iterdir()) == [], "nothing lands in the folder under the mount"


def test_where_it_is_mounted_it_is_written_with_its_folders(shared: Path) -> None:
    path = shared / "www" / "deep" / "index.html"
    args = asked(MOUNT, str(path))
    state = shared_file.look(args)
    assert not state["right"] and state["mounted"] and state["file"]["type"] == "absent"
    fix(args)
    assert path.read_text() == "new\n" and path.stat().st_mode & 0o777 == 0o644
    assert shared_file.look(args) == {"right": True, "mounted": True, "file": {}}


def test_one_that_differs_is_named_and_replaced(shared: Path) -> None:
    path = shared / "index.html"
    path.write_text("old\n")
    path.chmod(0o644)
    args = asked(MOUNT, str(path))
    state = shared_file.look(args)
    assert not state["right"] and list(state["file"]) == ["sha256"]
    fix(args)
    assert path.read_text() == "new\n" and shared_file.look(args)["right"]
    path.chmod(0o600)
    assert shared_file.look(args)["file"] == {"mode": "0600"}
    fix(args)
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_written_is_named_by_its_own_path(shared: Path) -> None:
    path = shared / "index.html"
    path.write_text("old\n")
    args = asked(MOUNT, str(path), validate=("sh", "-c", "echo {} is bad; exit 1"))
    with pytest.raises(tools.Failed, match="does not accept the new") as caught:
        fix(args)
    assert str(path) in str(caught.value) and f"{path} is bad" in caught.value.evidence
    assert "/proc/" not in str(caught.value) + caught.value.evidence
    assert path.read_text() == "old\n" and list(shared.iterdir()) == [path]
    path.unlink()
    path.mkdir()
    with pytest.raises(tools.Failed, match=f"{path} is a folder"):
        fix(asked(MOUNT, str(path)))
