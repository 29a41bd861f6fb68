"""The small programs that run on the nodes, as they are shipped, with stand-ins for what they call."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from quorate.services.rendering import TEMPLATES, render

WATCH = TEMPLATES / "haproxy" / "watch"
WAIT = TEMPLATES / "pacemaker" / "wait-for-peers"
AGENT = TEMPLATES / "pacemaker" / "unit"
PATIENCE_S = 20.0
"""Far longer than any of them takes, so that a busy machine makes no difference."""


def stand_in(folder: Path, name: str, body: str) -> dict[str, str]:
    """A program ``name`` that comes first in PATH; returns the environment to run with."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_password_never_reaches_the_arguments_of_ipmitool(tmp_path: Path) -> None:
    env = stand_in(tmp_path, "ipmitool", 'printf "%s\\n" "$@"')
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(render("fencing/ipmitool.j2", folder="/etc/quorate/bmc"))
    given = ["-I", "lanplus", "-H", "10.0.0.1", "-p", "624", "-U", "an admin", "-P", "hunter2", "-C", "3"]
    done = subprocess.run(
        ["sh", str(wrapper), *given, "chassis", "power", "off"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = [word for word in given if word not in ("-P", "hunter2")]
    assert done.stdout.splitlines() == [
        "-f",
        "/etc/quorate/bmc/10.0.0.1-624",
        *kept,
        "chassis",
        "power",
        "off",
    ]


def votes(have: int) -> str:
    return f"echo 'Expected votes:   3'; echo 'Total votes:      {have}'"


def test_waiting_for_peers_ends_when_all_are_there(tmp_path: Path) -> None:
    env = stand_in(tmp_path, "corosync-quorumtool", votes(3))
    done = subprocess.run(
        ["sh", str(WAIT), "600"], env=env, capture_output=True, timeout=PATIENCE_S, check=True
    )
    assert not done.stdout


@pytest.mark.parametrize("body", [votes(2), "exit 1"])
def test_waiting_for_peers_lets_pacemaker_start_in_the_end(tmp_path: Path, body: str) -> None:
    env = stand_in(tmp_path, "corosync-quorumtool", body)
    done = subprocess.run(
        ["sh", str(WAIT), "1"], env=env, capture_output=True, timeout=PATIENCE_S, check=True
    )
    assert b"starting without the others" in done.stdout


class Alive(http.server.BaseHTTPRequestHandler):
    """Counts the questions, and answers each."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Watching:
    """The watcher at work on a port; ``killed`` is what it had systemd kill."""

    def __init__(self, folder: Path, port: int) -> None:
        self._log = folder / "killed"
        env = stand_in(folder, "systemctl", f'echo "$*" >> {self._log}')
        self._process = subprocess.Popen(
            ["bash", str(WATCH), str(port)], env=env, stdout=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def killed(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def until(condition: Callable[[], object]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_watcher_has_a_balancer_that_says_nothing_killed_once(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Watching(tmp_path, silent.getsockname()[1]) as at_work,
    ):
        assert until(lambda: at_work.killed)
        assert at_work.killed == ["kill --kill-whom=all --signal=KILL haproxy.service"]


def test_the_watcher_leaves_a_balancer_that_answers_alone(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alive) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        with Watching(tmp_path, server.server_address[1]) as at_work:
            assert until(lambda: Alive.asked >= 4), "it asks again and again"
            assert not at_work.killed
        server.shutdown()


def agent(folder: Path, action: str, state: str, check: str = "none", **parameters: str) -> int:
    """The exit code of the OCF agent for a unit that is in ``state``."""
    env = stand_in(folder, "systemctl", f'case "$*" in *ActiveState*) echo {state} ;; *) echo loaded ;; esac')
    env |= {"OCF_RESKEY_unit": "web.service", "OCF_RESKEY_check": check}
    env |= {f"OCF_RESKEY_{key}": value for key, value in parameters.items()}
    done = subprocess.run(
        ["sh", str(AGENT), action], env=env, capture_output=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode


@pytest.mark.parametrize(
    ("state", "check", "target", "code"),
    [
        ("active", "none", "", 0),
        ("active", "command", "true", 0),
        ("active", "command", "false", 1),
        ("active", "tcp", "127.0.0.1:1", 1),
        ("inactive", "command", "true", 7),
        ("failed", "none", "", 7),
    ],
)
def test_a_monitor_asks_the_service_and_not_only_its_unit(
    tmp_path: Path, state: str, check: str, target: str, code: int
) -> None:
    assert agent(tmp_path, "monitor", state, check, target=target) == code


def test_a_start_that_never_works_and_a_stop_that_never_ends_are_failures(tmp_path: Path) -> None:
    limit = {"CRM_meta_timeout": "2000"}
    assert agent(tmp_path, "start", "active", "command", target="false", **limit) == 1
    assert agent(tmp_path, "start", "active", "command", target="true", **limit) == 0
    assert agent(tmp_path, "stop", "deactivating", **limit) == 1
    assert agent(tmp_path, "stop", "inactive", **limit) == 0


def test_the_agent_describes_itself_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    done = subprocess.run(["sh", str(AGENT), "meta-data"], capture_output=True, check=True)
    described = {each.get("name") for each in ET.fromstring(done.stdout).iter("parameter")}
    assert described == {"unit", "check", "target", "deadline", "settle", "warmup"}
    assert agent(tmp_path, "validate-all", "active", "ping") == 6
    assert agent(tmp_path, "promote", "active") == 3
