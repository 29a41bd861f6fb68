"""The mirror is the one that the machine itself uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.errors import PreconditionError, UsageError
from quorate.lab import aptsources
from quorate.lab.aptsources import Entry, Mirror

DEB822 = """\
Types: deb
# http://snapshot.example/archive
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: trixie
Components: main
"""


def write(etc: Path, name: str, text: str) -> None:
    path = etc / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_deb822_is_read_without_comments_disabled_and_source_entries() -> None:
    assert aptsources.deb822(DEB822) == [
        Entry("http://mirror.example/debian", "bookworm"),
        Entry("http://mirror.example/debian", "bookworm-updates"),
        Entry("http://security.example/debian-security", "bookworm-security"),
    ]


def test_one_line_style_with_options_and_comments() -> None:
    text = (
        "# deb http://old.example/debian buster main\n"
        "deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian bookworm main contrib\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "\n"
        "deb http://security.example/ bookworm-security main\n"
    )
    assert aptsources.one_line(text) == [
        Entry("http://mirror.example/debian", "bookworm"),
        Entry("http://security.example", "bookworm-security"),
    ]


def test_archives_that_are_not_debian_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "sources.list.d/tools.list", "deb https://packages.example/apt tools-bookworm main\n")
    write(
        tmp_path, "sources.list.d/node.sources", "Types: deb\nURIs: https://n.example/x\nSuites: nodistro\n"
    )
    write(tmp_path, "sources.list.d/debian.sources", DEB822)
    assert aptsources.of_host(tmp_path) == Mirror(
        "http://mirror.example/debian", "http://security.example/debian-security"
    )


def test_archives_with_debians_suite_names_are_not_taken_for_it(tmp_path: Path) -> None:
    write(tmp_path, "sources.list.d/a.list", "deb [arch=amd64] https://browser.example/deb/ stable main\n")
    write(tmp_path, "sources.list.d/b.list", "deb https://containers.example/linux/debian bookworm stable\n")
    write(tmp_path, "sources.list.d/debian.sources", DEB822)
    assert aptsources.of_host(tmp_path).archive == "http://mirror.example/debian"
    (tmp_path / "sources.list.d/debian.sources").unlink()
    assert aptsources.of_host(tmp_path).archive == "https://containers.example/linux/debian"


def test_the_suite_becomes_debian_13_with_updates_and_security() -> None:
    assert Mirror("http://m.example/debian", "http://s.example/debian-security").lines() == (
        "deb http://m.example/debian trixie main",
        "deb http://m.example/debian trixie-updates main",
        "deb http://s.example/debian-security trixie-security main",
    )


def test_without_a_security_entry_it_lies_beside_the_archive() -> None:
    mirror = aptsources.choose([Entry("http://m.example/debian", "trixie")])
    assert mirror == Mirror("http://m.example/debian", "http://m.example/debian-security")


def test_no_debian_archive_names_the_option(tmp_path: Path) -> None:
    write(tmp_path, "sources.list", "deb http://archive.example/ubuntu noble main\n")
    with pytest.raises(PreconditionError, match="--mirror"):
        aptsources.of_host(tmp_path)


@pytest.mark.parametrize(
    "address", ["", "mirror", "-o=x", "http://", "http://a b/debian", "ssh://host/debian"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        aptsources.given(address, None)
