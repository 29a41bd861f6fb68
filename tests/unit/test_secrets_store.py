"""Secrets are made once, for their owner only, and do not show themselves."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from quorate.secrets import fernet, store
from quorate.secrets.store import Secret, Secrets, write_private


def test_a_password_is_made_once_and_private(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    password = secrets.password("galera")
    assert len(password) == 32
    assert Secrets(tmp_path / "secrets").password("galera") == password
    assert stat.S_IMODE((tmp_path / "secrets/galera").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert password not in repr(password)
    assert repr(Secret("x")) == "Secret('***')"


def test_of_two_that_make_a_secret_both_get_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store.write_private

    def another_was_quicker(path: Path, content: bytes, *, replace: bool = True) -> None:
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_bytes(b"the other one's")
        real(path, content, replace=replace)

    monkeypatch.setattr(store, "write_private", another_was_quicker)
    assert Secrets(tmp_path / "secrets").password("galera") == "the other one's"
    assert Secrets(tmp_path / "secrets").key("authkey", 128) == b"the other one's"
    assert [path.name for path in (tmp_path / "secrets").iterdir() if path.name.startswith(".")] == []


def test_of_two_that_make_fernet_keys_both_get_the_same(tmp_path: Path) -> None:
    first = fernet.load(tmp_path, "fernet")
    fernet.save(tmp_path, "fernet", fernet.Repository.new(), replace=False)
    assert fernet.load(tmp_path, "fernet") == first


def test_replacing_replaces(tmp_path: Path) -> None:
    write_private(tmp_path / "a", b"one")
    write_private(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
