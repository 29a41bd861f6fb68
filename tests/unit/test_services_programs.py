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
REACH = TEMPLATES / "vip" / "reach-watch"
SILENCE = TEMPLATES / "remote" / "silence-watch"
WAIT = TEMPLATES / "pacemaker" / "wait-for-peers"
LATE_NEWS = TEMPLATES / "pacemaker" / "late-news"
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


SYSTEMCTL = """
echo "$*" >> "$0.asked"
case "$1" in
    show) echo 50000000 ;;  # microseconds on the kernel's clock, when it booted
    is-active) [ "$(grep -c is-active "$0.asked")" -lt 3 ] ;;  # Corosync ends while it looks
esac
"""


@pytest.mark.parametrize(
    ("status", "up", "again"),
    [("100", 160.5, True), ("100", 170.0, False), ("0", 60.0, False), ("1", 60.0, False)],
)
def test_a_node_that_hears_of_its_own_fencing_after_the_boot_starts_again(
    tmp_path: Path, status: str, up: float, again: bool
) -> None:
    """Within two minutes of a boot (here at 50 s), and only where Pacemaker ended because it was told so."""
    clock = tmp_path / "uptime"
    clock.write_text(f"{up} 1.00\n")
    env = stand_in(tmp_path, "systemctl", SYSTEMCTL) | {"EXIT_STATUS": status, "QUORATE_UPTIME": str(clock)}
    subprocess.run(["sh", str(LATE_NEWS), "120"], env=env, timeout=PATIENCE_S, check=True)
    record = tmp_path / "systemctl.asked"
    asked = record.read_text().splitlines() if record.exists() else []
    started = "--no-block start corosync.service pacemaker.service"
    assert (asked[-1:] == [started]) is again
    assert len([line for line in asked if line.startswith("is-active")]) == (3 if again else 0)


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


def test_a_node_that_reaches_nobody_says_so_until_it_reaches_one_again(tmp_path: Path) -> None:
    log, reached = tmp_path / "said", tmp_path / "reached"
    body = f"""for last; do :; done
case "$*" in *-c*) exec grep -qx "$last" {reached} ;; esac
while sleep 0.1; do
    if grep -qx "$last" {reached}; then echo "64 bytes from $last"; else echo "From $last: unreachable"; fi
done"""
    env = stand_in(tmp_path, "ping", body)
    stand_in(tmp_path, "attrd_updater", f'echo "$*" >> {log}')

    def said() -> list[str]:
        return [line.split()[-1] for line in log.read_text().splitlines()] if log.exists() else []

    reached.write_text("10.0.0.2\n")
    argv = ["bash", str(REACH), "cut-off", "10.0.0.1", "10.0.0.2"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            assert until(lambda: said() == ["0"]), "one of two is enough"
            reached.write_text("")
            assert until(lambda: said().count("1") > 1), "again and again: Pacemaker may have forgotten"
            reached.write_text("10.0.0.1\n")
            assert until(lambda: said()[-1] == "0")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert "--name cut-off --update 1" in log.read_text()


@pytest.mark.parametrize(
    ("reached", "holder", "failed"),
    [
        ((), "c1", []),  # cut off itself
        (("10.0.0.2",), "c2", []),  # another one's connection
        (("10.0.0.2",), "", []),  # nobody's
        (("10.0.0.2",), "c1", ["--fail --resource n1 --node c1"]),
        (("10.0.0.2", "10.0.0.21"), "c1", []),
    ],
)
def test_a_silent_compute_is_told_by_who_has_its_connection_and_reaches_another_controller(
    tmp_path: Path, reached: tuple[str, ...], holder: str, failed: list[str]
) -> None:
    told, there, asked = tmp_path / "told", tmp_path / "there", tmp_path / "asked"
    there.write_text("\n".join(("10.0.0.22", *reached)) + "\n")
    rounds = """case "$*" in *--loop*)
    for _ in 1 2 3 4; do
        echo "10.0.0.21 : [0], timed out (NaN avg, 100% loss)"
        echo "10.0.0.22 : [0], 64 bytes, 0.1 ms (0.1 avg, 0% loss)"
    done
    exit ;;
esac"""
    body = f'{rounds}\necho "$*" >> {asked}\nfor last; do :; done\nexec grep -qx "$last" {there}'
    env = stand_in(tmp_path, "fping", body)
    stand_in(tmp_path, "crm_node", "echo c1")
    located = f"is running on: {holder} " if holder else "is NOT running"
    resource = f'case "$*" in *--locate*) echo "resource n1 {located}" ;; *) echo "$*" >> {told} ;; esac'
    stand_in(tmp_path, "crm_resource", resource)
    argv = ["bash", str(SILENCE), "3", "10.0.0.2", "n1=10.0.0.21", "n2=10.0.0.22"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1, "systemd starts it again"
    assert (told.read_text().splitlines() if told.exists() else []) == failed
    assert done.stdout.splitlines() == ["n1 is silent"] * len(failed)
    assert asked.read_text().splitlines()[0].endswith(" 10.0.0.21"), "asked once more"


def agent(folder: Path, action: str, state: str, check: str = "none", **parameters: str) -> int:
    """The exit code of the OCF agent for a unit that is in ``state``."""
    body = f"""case "$*" in
*ActiveState*--value*) echo {state} ;;
*ActiveState*) echo ActiveState={state} ;;
*) echo loaded ;;
esac"""
    env = stand_in(folder, "systemctl", body)
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


@pytest.mark.parametrize(
    ("state", "avg10", "starved", "code"),
    [
        ("active", "93.20", "80", 0),
        ("active", "12.00", "80", 1),
        ("active", "93.20", "0", 1),
        ("inactive", "93.20", "80", 7),
        ("deactivating", "93.20", "80", 1),
    ],
)
def test_late_is_not_failed_where_there_is_no_processor_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, avg10: str, starved: str, code: int
) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text(f"some avg10={avg10} avg60=1.00 avg300=1.00 total=1\nfull avg10=0.00 total=0\n")
    monkeypatch.setenv("QUORATE_PRESSURE", str(pressure))
    assert agent(tmp_path, "monitor", state, "command", target="false", starved=starved) == code


def test_where_the_kernel_tells_no_pressure_a_monitor_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_PRESSURE", str(tmp_path / "absent"))
    assert agent(tmp_path, "monitor", "active", "command", target="false", starved="80") == 1


def test_a_start_that_never_works_and_a_stop_that_never_ends_are_failures(tmp_path: Path) -> None:
    limit = {"CRM_meta_timeout": "2000"}
    assert agent(tmp_path, "start", "active", "command", target="false", **limit) == 1
    assert agent(tmp_path, "start", "active", "command", target="true", **limit) == 0
    assert agent(tmp_path, "stop", "deactivating", **limit) == 1
    assert agent(tmp_path, "stop", "inactive", **limit) == 0


SILENT = ["exit 1", "exec sleep 60"]
"""How systemd says nothing: it cannot be talked to, or it hangs."""


def silent_agent(folder: Path, action: str, body: str, **parameters: str) -> tuple[int, str]:
    """Exit code and words of the agent where every systemctl ends as ``body`` says."""
    env = stand_in(folder, "systemctl", body)
    env |= {"OCF_RESKEY_unit": "web.service", "OCF_RESKEY_CRM_meta_timeout": "3000"}
    env |= {f"OCF_RESKEY_{key}": value for key, value in parameters.items()}
    done = subprocess.run(
        ["sh", str(AGENT), action], env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("body", SILENT)
@pytest.mark.parametrize("interval", ["0", "10000"])
def test_a_systemd_that_says_nothing_is_an_error_and_never_not_running(
    tmp_path: Path, body: str, interval: str
) -> None:
    code, said = silent_agent(tmp_path, "monitor", body, CRM_meta_interval=interval, settle="1")
    assert code == 1 and "systemd does not say" in said


@pytest.mark.parametrize("body", SILENT)
def test_a_stop_whose_outcome_nobody_knows_fails_so_that_the_node_is_fenced(
    tmp_path: Path, body: str
) -> None:
    code, said = silent_agent(tmp_path, "stop", body, patience="1")
    assert code == 1 and "has to be certain" in said


def test_a_stop_kills_what_does_not_end_in_order_within_its_patience(tmp_path: Path) -> None:
    state, calls = tmp_path / "state", tmp_path / "calls"
    state.write_text("active")
    body = (
        f'echo "$1" >> {calls}\ncase "$1" in show) cat {state} ;; stop) exec sleep 60 ;; '
        f"kill) echo failed > {state} ;; esac"
    )
    code, _ = silent_agent(tmp_path, "stop", body, patience="1", CRM_meta_timeout="15000")
    assert code == 0
    assert calls.read_text().split() == ["stop", "kill", "show"]


def test_the_words_of_a_check_are_not_patterns(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "ask"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\n')
    program.chmod(0o755)
    assert agent(tmp_path, "monitor", "active", "command", target=f"{program} /* two") == 0
    assert seen.read_text().split("\n")[:2] == ["/*", "two"]


def test_the_agent_describes_itself_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    done = subprocess.run(["sh", str(AGENT), "meta-data"], capture_output=True, check=True)
    described = {each.get("name") for each in ET.fromstring(done.stdout).iter("parameter")}
    assert described == {
        "unit",
        "check",
        "target",
        "deadline",
        "settle",
        "warmup",
        "starved",
        "patience",
    }
    assert agent(tmp_path, "validate-all", "active", "ping") == 6
    assert agent(tmp_path, "promote", "active") == 3


def turns(folder: Path, processors: int) -> tuple[Path, dict[str, str]]:
    """`turn` as it is shipped, but for where it finds the processes of its unit; and its environment."""
    (folder / "cgroup").write_text("1:cpu:/\n0::/a.service\n")
    (folder / "a.service").mkdir()
    (folder / "a.service" / "cgroup.procs").touch()
    program = folder / "turn"
    text = (TEMPLATES / "openstack" / "turn").read_text()
    program.write_text(
        text.replace("/proc/self/cgroup", f"{folder}/cgroup").replace("/sys/fs/cgroup", str(folder))
    )
    return program, stand_in(folder, "nproc", f"echo {processors}")


@pytest.mark.parametrize("processors", [2, 16])
def test_the_next_one_loads_when_the_one_before_has_nothing_left_to_compute(
    tmp_path: Path, processors: int
) -> None:
    program, env = turns(tmp_path, processors)
    busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    (tmp_path / "a.service" / "cgroup.procs").write_text(f"{busy.pid}\n")
    try:
        subprocess.run(["sh", str(program), "true"], env=env, check=True, timeout=PATIENCE_S)
        second = subprocess.Popen(
            ["sh", str(program), "echo", "my turn"], env=env, stdout=subprocess.PIPE, text=True
        )
        if processors == 2:
            time.sleep(1.5)  # twice as long as one that is idle keeps its turn
            assert second.poll() is None
        else:
            second.wait(PATIENCE_S)
    finally:
        busy.kill()
        busy.wait()
    assert second.communicate(timeout=PATIENCE_S)[0] == "my turn\n"


def test_whose_turn_it_is_becomes_the_command_and_nothing_of_the_turn_is_left_in_it(tmp_path: Path) -> None:
    program, env = turns(tmp_path, 2)
    process = subprocess.Popen(
        ["sh", str(program), "sh", "-c", "echo $$; ls /proc/$$/fd"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid, *descriptors = process.communicate(timeout=PATIENCE_S)[0].split()
    assert int(pid) == process.pid, "systemd knows it by its process id"
    assert "9" not in descriptors
