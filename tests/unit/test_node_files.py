"""Files, folders and links: whole or not at all, the old one stays where the new one is refused."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from quorate.node import absent as absent_kind
from quorate.node import directory as directory_kind
from quorate.node import file as file_kind
from quorate.node import link as link_kind
from quorate.node import tools
from quorate.resources.base import Resource
from quorate.resources.file import absent, directory, file, link

ME = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def mend(kind: Any, one: Resource) -> dict[str, Any]:
    """Fix what differs, and look again."""
    state = kind.look(dict(one.args))
    wrong = tools.differing(one.desired, state)
    if wrong:
        kind.fix(dict(one.args), dict(one.desired), wrong)
    again = kind.look(dict(one.args))
    assert not tools.differing(one.desired, again), again
    return dict(again)


@pytest.mark.parametrize("content", ["text ü\n", "", b"\x00\xff binary"])
def test_a_file_is_made_with_its_mode(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "x"
    mend(file_kind, file(str(path), content, mode=0o640, **ME))
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert path.stat().st_mode & 0o7777 == 0o640
    assert names(tmp_path) == ["x"]


def test_only_a_differing_text_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old\n")
    assert file_kind.look(dict(file(str(path), "new\n").args))["content"] == "old\n"
    assert "content" not in file_kind.look(dict(file(str(path), "old\n").args))
    assert "content" not in file_kind.look(dict(file(str(path), "new\n", secret=True).args))
    path.write_bytes(b"\xff")
    assert file_kind.look(dict(file(str(path), "new\n").args))["binary"] is True


def test_a_refused_file_leaves_the_old_one_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "x.cfg"
    path.write_text("old\n")
    before = path.stat()
    checker = ["sh", "-c", "echo bad line 3 in $0 >&2; exit 1", "{}"]
    with pytest.raises(tools.Failed, match="does not accept") as caught:
        mend(file_kind, file(str(path), "new\n", validate=checker, **ME))
    assert f"bad line 3 in {path}" in caught.value.evidence
    assert path.read_text() == "old\n" and path.stat().st_ino == before.st_ino
    assert names(tmp_path) == ["x.cfg"]


def test_the_checker_sees_the_new_content_under_the_suffix_it_wants(tmp_path: Path) -> None:
    checker = ["sh", "-c", 'case $0 in *.cfg) grep -q new "$0";; *) exit 1;; esac', "{}"]
    one = file(str(tmp_path / "x"), "new\n", validate=checker, validate_suffix=".cfg", **ME)
    mend(file_kind, one)


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".x.quorate-0000").write_text("half")
    mend(file_kind, file(str(tmp_path / "x"), "new\n", **ME))
    assert names(tmp_path) == ["x"]


def test_a_wrong_mode_alone_does_not_touch_the_content(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("same\n")
    path.chmod(0o666)
    before = path.stat()
    mend(file_kind, file(str(path), "same\n", mode=0o600, **ME))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep\n")
    (tmp_path / "x").symlink_to(tmp_path / "target")
    mend(file_kind, file(str(tmp_path / "x"), "new\n", **ME))
    assert (tmp_path / "target").read_text() == "keep\n" and not (tmp_path / "x").is_symlink()


@pytest.mark.parametrize(
    "one", [file("{}/no/x", "x", **ME), file("{}", "x", **ME), file("{}/x", "x", owner="no-one")]
)
def test_what_cannot_be_written_says_so(tmp_path: Path, one: Resource) -> None:
    args = {**one.args, "path": one.args["path"].format(tmp_path)}
    with pytest.raises(tools.Failed):
        file_kind.fix(args, dict(one.desired), ["type", "sha256"])


def test_a_folder_is_made_with_its_parents_and_swept(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    mend(directory_kind, directory(str(path), mode=0o750, **ME))
    (path / "kept").touch()
    (path / "stray").touch()
    (path / "sub").mkdir()
    mend(directory_kind, directory(str(path), mode=0o750, purge=True, keep=["kept"], **ME))
    assert names(path) == ["kept", "sub"]


def test_a_folder_does_not_replace_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(tools.Failed, match="no folder"):
        mend(directory_kind, directory(str(tmp_path / "x"), **ME))


def test_links_and_absence(tmp_path: Path) -> None:
    path = tmp_path / "l"
    mend(link_kind, link(str(path), "here"))
    mend(link_kind, link(str(path), "there"))
    assert path.readlink() == Path("there")
    mend(absent_kind, absent(str(path)))
    mend(absent_kind, absent(str(path)))
    (tmp_path / "full" / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="not empty"):
        mend(absent_kind, absent(str(tmp_path / "full")))
