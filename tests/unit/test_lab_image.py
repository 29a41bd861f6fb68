"""The image's key, and what is read from the builder's output."""

from __future__ import annotations

from pathlib import Path

from quorate.lab.aptsources import Mirror
from quorate.lab.image_build import Progress, command, reason
from quorate.lab.recipe import BASE, Recipe


def test_the_key_depends_on_the_packages_and_not_on_their_order() -> None:
    assert Recipe(("haproxy", "keystone")).key == Recipe(("keystone", "haproxy", "haproxy")).key
    assert Recipe(("haproxy",)).key != Recipe(("haproxy", "keystone")).key
    assert Recipe(BASE).key == Recipe(()).key


def test_the_builder_is_told_every_package_and_the_mirror() -> None:
    mirror = Mirror("http://m.example/debian", "http://s.example/debian-security")
    argv = command(Recipe(("haproxy",)), mirror, Path("/images/x/rootfs"))
    include = next(word for word in argv if word.startswith("--include=")).partition("=")[2].split(",")
    assert {"haproxy", *BASE} == set(include)
    assert argv[-3:] == list(mirror.lines())


def test_progress_only_rises_and_ends_below_one() -> None:
    progress = Progress()
    lines = []
    for count in (3, 20):  # the essential packages, then all others
        lines.append(f"0 upgraded, {count} newly installed, 0 to remove\n")
        lines += [f"Unpacking p{n} (1.0) ...\n" for n in range(count)]
        lines += [f"Setting up p{n} (1.0) ...\n" for n in range(count)]
    lines += ["I: running --customize-hook in shell: …\n", "I: cleaning package lists and apt cache...\n"]
    seen = [progress.fraction]
    for line in lines:
        progress.line(line)
        seen.append(progress.fraction)
    assert seen == sorted(seen)
    assert 0.88 < seen[-1] < 1


def test_the_reason_is_what_apt_complained_about() -> None:
    output = [
        "I: running apt-get update...",
        "Err:1 http://dead.example trixie InRelease",
        "  Could not connect",
        "E: Unable to locate package nonesuch",
        "I: main() received signal",
    ]
    assert "nonesuch" in reason(output)
    assert "dead.example" in reason(output)
    assert reason(["one", "two"]) == "one\ntwo"
