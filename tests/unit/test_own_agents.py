"""The resource agents as they are shipped: the gate, the first files, what may change for a unit."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from quorate.services.rendering import TEMPLATES

GATE = TEMPLATES / "pacemaker" / "gate"
FILES = TEMPLATES / "pacemaker" / "files"
PATIENCE_S = 20.0
OK, ERROR, UNIMPLEMENTED, CONFIGURED, NOT_RUNNING = 0, 1, 3, 6, 7


def test_how_a_unit_is_watched_changes_without_a_restart(tmp_path: Path) -> None:
    agent = Agent(tmp_path, TEMPLATES / "pacemaker" / "unit", unit="x.service", check="none")
    agent.stand_in("systemctl", "echo loaded")
    assert agent("reload-agent") == OK
    said = subprocess.run(
        ["sh", agent.program, "meta-data"], capture_output=True, text=True, check=True
    ).stdout
    described = ET.fromstring(said)
    assert {one.get("name") for one in described.iter("parameter") if one.get("reloadable") != "1"} == {
        "unit"
    }
    assert "reload-agent" in {one.get("name") for one in described.iter("action")}


class Agent:
    """An agent with stand-ins before everything else in PATH, and a /run of its own."""

    def __init__(self, folder: Path, program: Path, **parameters: str) -> None:
        self.folder, self.program, self.parameters = folder, program, parameters
        self.bin = folder / "bin"
        self.bin.mkdir(exist_ok=True)
        self.said = ""

    def stand_in(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def __call__(self, action: str, **changes: str) -> int:
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "QUORATE_RUN": f"{self.folder}/run"}
        env |= {f"OCF_RESKEY_{key}": value for key, value in {**self.parameters, **changes}.items()}
        done = subprocess.run(
            ["sh", str(self.program), action], env=env, capture_output=True, text=True, timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip
        self.said = done.stderr
        return done.returncode


@pytest.fixture
def gate(tmp_path: Path) -> Agent:
    """A gate whose nft keeps the last rules that it was given, and lists what is there."""
    agent = Agent(tmp_path, GATE, name="web-1", ip="10.0.0.9", port="80")
    agent.stand_in(
        "nft", f'case "$1" in -f) cat > {tmp_path}/rules ;; list) grep -q chain {tmp_path}/rules ;; esac'
    )
    agent.stand_in("ss", "exit 0")
    return agent


def closed(agent: Agent) -> bool:
    """Whether the last rules hold something back."""
    return " drop" in (agent.folder / "rules").read_text()


def test_the_gate_opens_last_and_closes_first(gate: Agent) -> None:
    assert [gate("monitor", side=side) for side in ("closed", "open")] == [NOT_RUNNING, NOT_RUNNING]
    assert gate("start", side="closed") == OK and closed(gate)
    assert [gate("monitor", side=side) for side in ("closed", "open")] == [OK, NOT_RUNNING]
    assert gate("start", side="open") == OK and not closed(gate)
    assert [gate("monitor", side=side) for side in ("closed", "open")] == [OK, OK]
    assert gate("stop", side="open") == OK and closed(gate)
    assert [gate("monitor", side=side) for side in ("closed", "open")] == [OK, NOT_RUNNING]
    assert gate("stop", side="closed") == OK and not closed(gate)
    assert [gate("monitor", side=side) for side in ("closed", "open")] == [NOT_RUNNING, NOT_RUNNING]


def test_only_the_first_packet_of_a_connection_from_outside_is_held_back(gate: Agent) -> None:
    gate("start", side="closed")
    rules = (gate.folder / "rules").read_text()
    rule = next(line for line in rules.splitlines() if " drop" in line)
    assert rule.strip() == (
        'iifname != "lo" ip daddr 10.0.0.9 tcp dport 80 tcp flags & (fin | syn | rst | ack) == syn drop'
    )
    assert "table ip quorate_gate_web_1 " in rules
    assert rules.index("delete table") < rules.index("chain"), "whatever was there before"


def test_stopping_what_was_never_started_is_fine(gate: Agent) -> None:
    assert gate("stop", side="open") == OK
    assert not (gate.folder / "rules").exists(), "and closes nothing"
    assert gate("stop", side="closed") == OK


def test_without_nft_the_gate_is_open_and_the_service_starts(gate: Agent) -> None:
    gate.stand_in("nft", "exit 127")
    assert gate("start", side="closed") == OK and "may be refused" in gate.said
    assert gate("start", side="open") == OK
    assert gate("stop", side="open") == OK
    assert gate("stop", side="closed") == OK


def test_a_gate_that_does_not_open_is_a_failure(gate: Agent) -> None:
    gate("start", side="closed")
    gate.stand_in("nft", "case $1 in list) exit 0 ;; *) exit 1 ;; esac")
    assert gate("start", side="open") == ERROR and "still held back" in gate.said


def test_closing_waits_for_what_the_service_has_not_taken_yet_but_not_for_ever(gate: Agent) -> None:
    gate("start", side="closed")
    gate("start", side="open")
    asked = gate.folder / "asked"
    empty = f"[ $(wc -l < {asked}) -gt 4 ]"
    queue = f'case "$*" in *state*) ;; *) {empty} || echo LISTEN 2 128 ;; esac'
    gate.stand_in("ss", f"echo x >> {asked}; {queue}")
    assert gate("stop", side="open") == OK
    assert 5 <= len(asked.read_text().split()) <= 7, "until the queue was empty"
    gate("start", side="open")
    gate.stand_in("ss", f'echo y >> {asked}; case "$*" in *state*) ;; *) echo LISTEN 2 128 ;; esac')
    assert gate("stop", side="open") == OK
    assert asked.read_text().count("y") <= 2 * 16, "0.3 s at most"


@pytest.mark.parametrize("wrong", [{"ip": "a b"}, {"port": ""}, {"name": "x;y"}, {"side": "ajar"}])
def test_a_gate_without_sense_is_refused(gate: Agent, wrong: dict[str, str]) -> None:
    assert gate("start", **{"side": "closed", **wrong}) == CONFIGURED
    assert gate("promote", side="open") == UNIMPLEMENTED


@pytest.fixture
def files(tmp_path: Path) -> Agent:
    """Files for a storage that is "mounted" where a file says so."""
    (tmp_path / "kept" / "pages").mkdir(parents=True)
    (tmp_path / "kept" / "pages" / "index.html").write_text("first")
    (tmp_path / "kept" / "top").write_text("top")
    (tmp_path / "kept" / "top").chmod(0o640)
    (tmp_path / "disk").mkdir()
    (tmp_path / "mounted").touch()
    agent = Agent(tmp_path, FILES, **{"from": f"{tmp_path}/kept", "to": f"{tmp_path}/disk"})
    agent.stand_in("mountpoint", f"[ -e {tmp_path}/mounted ]")
    return agent


def test_an_empty_storage_gets_its_files_and_one_that_has_them_keeps_its_own(files: Agent) -> None:
    disk = files.folder / "disk"
    assert files("monitor") == NOT_RUNNING
    assert files("start") == OK and files("monitor") == OK
    assert (disk / "pages" / "index.html").read_text() == "first"
    assert (disk / "top").stat().st_mode & 0o777 == 0o640
    (disk / "pages" / "index.html").write_text("newer")
    (disk / "pages").chmod(0o700)
    (disk / "top").unlink()
    assert files("stop") == OK and files("monitor") == NOT_RUNNING
    assert files("start") == OK
    assert (disk / "pages" / "index.html").read_text() == "newer"
    assert (disk / "pages").stat().st_mode & 0o777 == 0o700
    assert (disk / "top").read_text() == "top"
    assert sorted(path.name for path in disk.iterdir()) == ["pages", "top"]


def test_nothing_is_written_where_the_storage_is_not(files: Agent) -> None:
    (files.folder / "mounted").unlink()
    assert files("start") == ERROR and "is not mounted" in files.said
    assert list((files.folder / "disk").iterdir()) == []
    assert files("stop") == OK


@pytest.mark.parametrize("program", [GATE, FILES])
def test_an_agent_describes_itself(tmp_path: Path, program: Path) -> None:
    done = subprocess.run(["sh", str(program), "meta-data"], capture_output=True, check=True)
    root = ET.fromstring(done.stdout)
    assert root.get("name") == program.name
    assert {one.get("name") for one in root.iter("action")} >= {"start", "stop", "monitor", "meta-data"}


def test_the_databases_agent_is_the_original_but_for_its_long_sleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tmp_path / "resource.d/heartbeat/galera"
    original.parent.mkdir(parents=True)
    original.write_text('#!/bin/sh\necho "$0" "$@" >&2\nsleep 2\nsleep 1\nexit 8\n')
    program = TEMPLATES / "pacemaker" / "galera"
    assert program.read_text().startswith("#!/bin/bash\n"), "as the original's, which is no use to sh"
    agent = Agent(tmp_path, program)
    agent.stand_in("sleep", 'echo "sleeps $*" >&2')
    monkeypatch.setenv("OCF_ROOT", str(tmp_path))
    assert agent("monitor") == 8
    assert agent.said.splitlines() == [f"{agent.program} monitor", "sleeps 0.3", "sleeps 1"]
