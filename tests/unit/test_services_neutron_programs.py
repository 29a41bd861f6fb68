"""The programs of Neutron that run on the nodes, as they are shipped, with stand-ins for Neutron."""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.services.rendering import TEMPLATES

FOLDER = TEMPLATES / "neutron"
CONSTANTS = ("HASH_RING_TOUCH_INTERVAL", "HASH_RING_NODES_TIMEOUT", "HASH_RING_CACHE_TIMEOUT")


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stand(types.SimpleNamespace):
    """Neutron and Open vSwitch, as far as they are changed; remembers in which order things happen."""


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    log: list[Any] = []
    ring = types.SimpleNamespace(
        add_node=lambda *args, **named: log.append(("add", *args, named)),
        remove_node_by_uuid=lambda _, uuid: log.append(("remove", uuid)),
    )
    constants = types.SimpleNamespace(**dict.fromkeys(CONSTANTS, 120))
    stream = types.SimpleNamespace(
        TCPStream="with probes",
        Stream=types.SimpleNamespace(register_method=lambda *words: log.append(("stream", *words))),
    )

    def start() -> int:
        log.append("started")
        return 7

    part = types.SimpleNamespace(start=start)
    modules = {
        "neutron.common.ovn.constants": constants,
        "neutron.db.ovn_hash_ring_db": ring,
        "neutron.plugins.ml2.drivers.ovn.mech_driver.ovsdb.impl_idl_ovn": types.SimpleNamespace(),
        "ovs.stream": stream,
        "a.part": part,
    }

    def import_module(name: str) -> Any:
        log.append(("import", name))
        return modules[name]

    monkeypatch.setattr("importlib.import_module", import_module)
    return Stand(log=log, ring=ring, constants=constants)


def test_probes_are_back_before_a_part_starts(stand: Stand) -> None:
    assert load("bounded").main("a.part:start") == 7
    # Neutron registers its own kind of connection when it is loaded; ours has to come after.
    order = [stand.log.index(("import", f"neutron.plugins.ml2.drivers.ovn.mech_driver.ovsdb.{name}"))
             for name in ("impl_idl_ovn",)]  # fmt: skip
    assert order[0] < stand.log.index(("stream", "tcp", "with probes")) < stand.log.index("started")
    assert stand.log[0] == ("import", "a.part")


def test_a_dead_controllers_share_of_events_is_taken_over_soon(stand: Stand) -> None:
    module = load("bounded")
    module.prepare()
    touch, silent, cache = (getattr(stand.constants, name) for name in CONSTANTS)
    assert (touch, silent, cache) == (module.TOUCH_S, module.SILENT_S, module.CACHE_S)
    # One that lives misses several turns before it counts as dead.
    assert silent >= 4 * touch and silent + cache <= 30


def test_a_killed_workers_entry_makes_room_for_its_successor(stand: Stand) -> None:
    load("bounded").prepare()
    stand.ring.add_node("ctx", "group", "uuid", created_at="then")
    assert stand.log[-2:] == [("remove", "uuid"), ("add", "ctx", "group", "uuid", {"created_at": "then"})]


def test_it_waits_for_the_tables_of_its_own_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("bounded")
    monkeypatch.setattr(module, "HEADS", tmp_path)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    for name, version in (("EXPAND_HEAD", "e2"), ("CONTRACT_HEAD", "c2")):
        (tmp_path / name).write_text(version + "\n")
    answers = iter([set(), {"e1", "c2"}, {"e2", "c2"}])
    module.wait_for_tables(lambda: next(answers))
    assert list(answers) == []
    monkeypatch.setattr(module, "SCHEMA_S", 0.0)
    with pytest.raises(RuntimeError, match="c2, e2"):
        module.wait_for_tables(lambda: {"e1", "c2"})


def test_another_neutron_is_refused(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    del stand.constants.HASH_RING_CACHE_TIMEOUT
    with pytest.raises(RuntimeError, match="HASH_RING_CACHE_TIMEOUT"):
        load("bounded").prepare()


def test_too_late_is_refused(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "neutron.plugins.ml2.drivers.ovn.mech_driver.ovsdb.maintenance"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with pytest.raises(RuntimeError, match="loaded already"):
        load("bounded").prepare()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A metadata agent whose answers are taken from a list; the path of its socket."""
    path, answers = str(tmp_path / "s"), list[str]()
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.recv(4096)
                client.sendall(answers.pop(0).encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield path, answers
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(timeout=5)


@pytest.mark.parametrize(
    ("answer", "code"),
    [("HTTP/1.1 404 Not Found\r\n\r\n", 0), ("HTTP/1.1 500 Internal\r\n\r\n", 1), ("", 1)],
)
def test_a_metadata_agent_answers_or_not(agent: tuple[str, list[str]], answer: str, code: int) -> None:
    path, answers = agent
    answers.append(answer)
    assert load("metadata-answers").main(path) == code


def test_no_agent_is_told_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load("metadata-answers").main(str(tmp_path / "none")) == 1
    assert "No such file" in capsys.readouterr().out


def test_a_hung_agent_is_not_waited_for_long(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with pytest.raises(TimeoutError):
            load("metadata-answers").ask(path, timeout_s=0.05)
