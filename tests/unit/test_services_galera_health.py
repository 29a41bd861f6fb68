"""The page that HAProxy asks about a database node: quick, honest, and never stuck with a stuck database."""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pymysql
import pytest

from quorate.services.rendering import TEMPLATES


@pytest.fixture
def health() -> ModuleType:
    """The program, as a module of its own for each test."""
    spec = importlib.util.spec_from_file_location("galera_health", TEMPLATES / "galera" / "health.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Cursor:
    """Returns the rows of one query, or raises."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def execute(self, query: str) -> None:
        self.connection.asked += 1
        if self.connection.error:
            raise self.connection.error

    def fetchall(self) -> list[tuple[str, str]]:
        return list(self.connection.state.items())


class Connection:
    """What pymysql.connect returns."""

    def __init__(self, state: dict[str, str], error: Exception | None = None) -> None:
        self.state, self.error, self.asked, self.closed = state, error, 0, False

    def cursor(self) -> Cursor:
        return Cursor(self)

    def _force_close(self) -> None:
        self.closed = True


SYNCED = {"wsrep_ready": "ON", "wsrep_local_state": "4", "wsrep_local_state_comment": "Synced"}
DONOR = {"wsrep_ready": "ON", "wsrep_local_state": "2", "wsrep_local_state_comment": "Donor/Desynced"}
MINORITY = {"wsrep_ready": "OFF", "wsrep_local_state": "4", "wsrep_local_state_comment": "Synced"}


@pytest.mark.parametrize(
    ("state", "fit"), [(SYNCED, True), (DONOR, False), (MINORITY, False), ({}, False)], ids=str
)
def test_only_synced_and_ready_is_fit(
    health: ModuleType, monkeypatch: pytest.MonkeyPatch, state: dict[str, str], fit: bool
) -> None:
    monkeypatch.setattr(pymysql, "connect", lambda **_: Connection(state))
    found, said = health.Database("socket").fit()
    assert found is fit and said


def test_a_donor_is_fit_for_a_moment(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(dict(DONOR))
    monkeypatch.setattr(pymysql, "connect", lambda **_: connection)
    database = health.Database("socket", 2.0)

    def ask() -> bool:
        database.asked_at -= health.FRESH_S
        return bool(database.fit()[0])

    assert ask() and ask()
    database.donor_since -= 2.0
    assert not ask(), "a full copy: with rsync it cannot commit"
    connection.state = dict(SYNCED)
    assert ask()
    connection.state = dict(DONOR)
    assert ask(), "each time anew"


def test_many_questions_cost_one_query(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(SYNCED)
    monkeypatch.setattr(pymysql, "connect", lambda **_: connection)
    database = health.Database("socket")
    assert all(database.fit()[0] for _ in range(50))
    assert connection.asked == 1
    database.asked_at -= health.FRESH_S
    assert database.fit()[0] and connection.asked == 2


def test_a_connection_that_the_database_closed_is_replaced_at_once(
    health: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale, fresh = Connection(SYNCED), Connection(SYNCED)
    made = iter([stale, fresh])
    monkeypatch.setattr(pymysql, "connect", lambda **_: next(made))
    database = health.Database("socket")
    assert database.fit()[0]
    stale.error = pymysql.err.OperationalError(2006, "server has gone away")
    database.asked_at -= health.FRESH_S
    assert database.fit()[0] and stale.closed


def test_a_time_out_is_not_tried_twice(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Connection(SYNCED)
    attempts: list[Any] = []

    def connect(**options: Any) -> Connection:
        attempts.append(options)
        return stuck

    monkeypatch.setattr(pymysql, "connect", connect)
    database = health.Database("socket")
    assert database.fit()[0]
    stuck.error = pymysql.err.OperationalError(
        2013, "Lost connection to MySQL server during query (timed out)"
    )
    database.asked_at -= health.FRESH_S
    assert not database.fit()[0]
    assert len(attempts) == 1, "a second try would double the deadline"
    assert attempts[0]["read_timeout"] == attempts[0]["connect_timeout"] == health.DEADLINE_S


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """A database that takes connections, as the kernel does for a stopped process, and says nothing."""
    path = str(tmp_path / "mysqld.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(8)
        yield path


def test_a_stopped_database_is_out_within_the_deadline(health: ModuleType, silent: str) -> None:
    with health.Server(("127.0.0.1", 0), health.Database(silent)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(urllib.error.HTTPError) as answered:
            urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/", timeout=5)
        assert answered.value.code == 503
        assert time.monotonic() - begun < 4 * health.DEADLINE_S
        server.shutdown()


def test_a_fit_one_answers_200(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pymysql, "connect", lambda **_: Connection(SYNCED))
    with health.Server(("127.0.0.1", 0), health.Database("socket")) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_address[1]}/", timeout=5) as answer:
            assert answer.status == 200 and answer.read() == b"Synced\n"
        server.shutdown()
