"""A lock is for one, and waiting for it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.errors import LabError
from quorate.lab.locks import held


def test_a_lock_is_for_one_and_free_afterwards(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with held(lock, 0):
        with pytest.raises(LabError, match="another command") as caught, held(lock, 0.02):
            pass
        assert str(lock) in str(caught.value)
    with held(lock, 0):
        pass
