"""The image's key, and what is read from the builder's output."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from quorate.errors import LabError
from quorate.events import Event
from quorate.lab import image_build, image_store
from quorate.lab.aptsources import Mirror
from quorate.lab.cgroup import Group
from quorate.lab.hardware import Machine
from quorate.lab.image_build import Progress, command, reason
from quorate.lab.image_store import ImageStore
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


def test_only_images_that_nothing_needs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_store, "mounted", lambda: {"booted"})
    store, new = ImageStore(tmp_path), Recipe(("haproxy",))
    kept = [new.key, "booted", "ofamachine", "ofasnapshot"]
    spare = [f"spare{number}" for number in range(image_store.SPARE)]
    for age, key in enumerate(["stale", *spare, *kept]):
        (store.folder / key / "rootfs/etc").mkdir(parents=True)
        os.utime(store.folder / key, (age, age))
    for path, key in (("labs/lab/c1", "ofamachine"), ("snapshots/lab/before/nodes/c1", "ofasnapshot")):
        (tmp_path / path).mkdir(parents=True)
        definition = Machine("c1", key, (), None, 8192).to_json()
        (tmp_path / path / "machine.json").write_text(definition)
    assert store.prune(new) == ["stale"]
    assert sorted(path.name for path in store.folder.iterdir()) == sorted([*kept, *spare])
    (tmp_path / "labs/lab/c1/machine.json").write_text("{")
    (tmp_path / "snapshots/lab/before/nodes/c1/machine.json").unlink()
    assert store.prune(new) == [], "what cannot be known is not removed"


def test_images_of_the_state_root_that_the_folder_is_a_link_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_store, "mounted", set)
    (tmp_path / "one/images/old/rootfs").mkdir(parents=True)
    (tmp_path / "one/labs/lab/c1").mkdir(parents=True)
    (tmp_path / "one/labs/lab/c1/machine.json").write_text(Machine("c1", "old", (), None, 8192).to_json())
    (tmp_path / "two").mkdir()
    (tmp_path / "two/images").symlink_to(tmp_path / "one/images")
    assert ImageStore(tmp_path / "two").prune(Recipe(())) == []


def test_images_in_use_are_read_from_mount_tables(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/mountinfo").write_text(
        "61 21 0:50 / /x rw - overlay overlay rw,lowerdir=/var/lib/quorate/images/0a1b/rootfs,upperdir=/y\n"
    )
    (tmp_path / "8").mkdir()
    assert image_store.mounted(tmp_path) == {"0a1b"}


MIRROR = Mirror("http://m.example/debian", "http://s.example/debian-security")
TWO = (Recipe(("haproxy",)), Recipe(("qemu",)))


class Builders:
    """In the place of `image_build.run`: every builder waits until all of them have begun."""

    def __init__(self, failing: Recipe | None = None) -> None:
        self.together = threading.Barrier(len(TWO), timeout=20)
        self.failing = failing
        self.killed = threading.Event()
        self.begun = False
        self.found: set[str] = set()

    def end(self) -> None:
        """What `Group.kill` does to them: nothing to those that have not begun."""
        if self.begun:
            self.killed.set()

    def run(
        self, argv: list[str], group: Group, archives: Path, mirror: Mirror, _: object, subject: str
    ) -> None:
        self.together.wait()
        self.begun = True
        self.found |= {path.name for path in archives.glob("*.deb")}
        package = subject.replace(" ", "_") + ".deb"
        (archives / package).write_text("fetched")
        (archives / "partial" / "half.deb").write_text("")
        if self.failing and self.failing.key in subject:
            raise LabError("no such package")
        if self.failing:
            assert self.killed.wait(20), "nobody ended it"
            raise LabError("ended")
        (archives.parent / "rootfs").mkdir()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageStore:
    monkeypatch.setattr(image_store, "unified", lambda: tmp_path / "cgroup")
    monkeypatch.setattr(image_store, "mounted", set)
    return ImageStore(tmp_path)


def silent(_: Event) -> None:
    pass


def test_images_are_built_side_by_side_and_share_what_they_download(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.cache.mkdir(parents=True)
    (store.cache / "earlier.deb").write_text("fetched")
    builders = Builders()
    monkeypatch.setattr(image_build, "run", builders.run)
    image_build.ensure(store, TWO, lambda: MIRROR, silent)
    assert all(map(store.has, TWO))
    assert builders.found == {"earlier.deb"}
    fetched = {f"image_{recipe.key}.deb" for recipe in TWO}
    assert {path.name for path in store.cache.iterdir()} == {"earlier.deb", *fetched}
    assert store.leftovers() == []

    def nobody() -> Mirror:
        raise AssertionError("there is nothing to build")

    image_build.ensure(store, TWO, nobody, silent)


def test_where_one_image_cannot_be_built_the_others_end_and_nothing_stays_but_packages(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders = Builders(failing=TWO[0])
    monkeypatch.setattr(image_build, "run", builders.run)
    monkeypatch.setattr(Group, "kill", lambda _: builders.end())
    with pytest.raises(LabError, match="no such package"):
        image_build.ensure(store, TWO, lambda: MIRROR, silent)
    assert not any(map(store.has, TWO))
    assert store.leftovers() == []
    assert {path.name for path in store.cache.iterdir()} == {f"image_{recipe.key}.deb" for recipe in TWO}
