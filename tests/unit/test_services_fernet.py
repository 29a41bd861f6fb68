"""Fernet repositories: whatever the order of rotations, no node meets a token that it cannot read."""

from __future__ import annotations

import itertools
import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import PreconditionError
from quorate.node import keyring as node_keyring
from quorate.resources.keyring import keyring
from quorate.secrets import fernet
from quorate.secrets.fernet import STAGED, Repository


def maker(repository: Repository) -> Fernet:
    """Makes tokens as Keystone does: with the primary key."""
    return Fernet(repository.keys[repository.primary])


def reader(repository: Repository) -> MultiFernet:
    """Reads tokens as Keystone does: with every key, the staged one included."""
    return MultiFernet([Fernet(key) for _, key in sorted(repository.keys.items(), reverse=True)])


@given(rotations=st.integers(0, 12), keep=st.integers(3, 8))
def test_a_repository_stays_whole(rotations: int, keep: int) -> None:
    repository = Repository.new()
    for _ in range(rotations):
        staged = repository.keys[STAGED]
        repository = repository.rotate(keep)
        assert repository.keys[repository.primary] == staged, "what was staged makes tokens now"
        assert repository.keys[STAGED] not in {k for n, k in repository.keys.items() if n != STAGED}
    assert 2 <= len(repository.keys) <= keep
    assert repository.generation == 1 + rotations
    assert all(len(key) == 44 for key in repository.keys.values())


@given(keep=st.integers(3, 6), data=st.data())
def test_nodes_one_rotation_apart_read_each_others_tokens(keep: int, data: st.DataObject) -> None:
    history = [Repository.new()]
    for _ in range(data.draw(st.integers(1, 8))):
        history.append(history[-1].rotate(keep))
    for older, newer in itertools.pairwise(history):
        assert reader(older).decrypt(maker(newer).encrypt(b"x")) == b"x", "the node that is behind"
        assert reader(newer).decrypt(maker(older).encrypt(b"x")) == b"x", "tokens made before the rotation"


@given(keep=st.integers(3, 6))
def test_a_token_is_read_for_as_many_rotations_as_there_are_secondary_keys(keep: int) -> None:
    repository = Repository.new()
    token = maker(repository).encrypt(b"x")
    for _ in range(keep - 2):
        repository = repository.rotate(keep)
        assert reader(repository).decrypt(token) == b"x"
    with pytest.raises(InvalidToken):
        reader(repository.rotate(keep)).decrypt(token)


def test_two_rotations_apart_is_what_must_never_happen() -> None:
    behind = Repository.new()
    ahead = behind.rotate(5).rotate(5)
    with pytest.raises(InvalidToken):
        reader(behind).decrypt(maker(ahead).encrypt(b"x"))


def test_fewer_than_three_keys_would_void_tokens() -> None:
    with pytest.raises(ValueError, match="3"):
        Repository.new().rotate(2)


def test_one_rotation_with_a_node_down_and_no_second() -> None:
    away = {"c3": "no route"}
    first = Repository.new()
    assert first.behind(away) == ()
    second = first.rotate(5).confirmed({"c1": True, "c2": True})
    assert not second.pending
    assert second.behind(away) == ("c3",)
    assert second.confirmed({"c3": True}).behind(away) == ()
    assert second.confirmed({"c3": False}).behind(away) == ("c3",)


def test_a_rotation_is_pending_until_every_node_that_answers_has_it() -> None:
    rotated = Repository.new().rotate(5)
    assert rotated.pending
    assert rotated.confirmed({"c1": True, "c2": False}).pending
    assert not rotated.confirmed({"c1": True, "c2": True}).pending


def test_kept_and_read_back(tmp_path: Path) -> None:
    made = fernet.load(tmp_path, "keys.json")
    assert fernet.load(tmp_path, "keys.json") == made, "made once"
    rotated = made.rotate(5).confirmed({"c1": True})
    fernet.save(tmp_path, "keys.json", rotated)
    assert fernet.load(tmp_path, "keys.json") == rotated
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert all(key not in repr(rotated) for key in rotated.keys.values())


@pytest.mark.parametrize("content", ["", "{}", '{"keys": {}}', "[]", '{"keys": {"0": "short", "1": "AAAA"}}'])
def test_a_damaged_repository_is_never_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(PreconditionError) as caught:
        fernet.load(tmp_path, "keys.json")
    assert caught.value.next_step
    assert (tmp_path / "keys.json").read_text() == content


def test_one_key_of_the_wrong_length_is_damage(tmp_path: Path) -> None:
    fernet.load(tmp_path, "keys.json")
    document = json.loads((tmp_path / "keys.json").read_text())
    document["keys"]["1"] = document["keys"]["1"][:20]
    (tmp_path / "keys.json").write_text(json.dumps(document))
    with pytest.raises(PreconditionError):
        fernet.load(tmp_path, "keys.json")


def ring(path: Path, repository: Repository) -> tuple[dict[str, Any], dict[str, Any]]:
    me = pwd.getpwuid(os.geteuid()).pw_name
    resource = keyring(str(path), repository.files(), owner=me, group=me)
    return dict(resource.args), dict(resource.desired)


def test_the_node_ends_with_exactly_the_keys(tmp_path: Path) -> None:
    first = Repository.new()
    args, desired = ring(tmp_path / "keys", first)
    assert node_keyring.look(args) == {"keys": {}, "private": False}
    node_keyring.fix(args, desired, ["keys"])
    assert node_keyring.look(args) == desired
    later = first.rotate(3).rotate(3)
    args, desired = ring(tmp_path / "keys", later)
    (tmp_path / "keys" / ".1.new").write_text("left behind")
    node_keyring.fix(args, desired, ["keys"])
    assert node_keyring.look(args) == desired
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == sorted(later.files())
    (tmp_path / "keys" / "0").chmod(0o644)
    assert node_keyring.look(args)["private"] is False


def test_a_look_shows_no_key(tmp_path: Path) -> None:
    repository = Repository.new()
    args, desired = ring(tmp_path / "keys", repository)
    node_keyring.fix(args, desired, ["keys"])
    seen = json.dumps([node_keyring.look(args), desired])
    assert all(key not in seen for key in repository.keys.values())
