"""Commands, answers over the network, packages, units: what they see, and how long they wait for it."""

from __future__ import annotations

import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.node import command as command_kind
from quorate.node import galera as galera_kind
from quorate.node import http as http_kind
from quorate.node import packages as packages_kind
from quorate.node import sql as sql_kind
from quorate.node import sysctl as sysctl_kind
from quorate.node import tcp as tcp_kind
from quorate.node import tools, unit
from quorate.resources.command import command
from quorate.resources.http import http_args, tcp
from quorate.resources.packages import packages
from quorate.resources.sql import sql
from quorate.resources.sysctl import sysctl


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(tools.Failed, match="did not end"):
        tools.run(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], timeout_s=0.5)
    assert time.monotonic() - begun < 30
    assert tools.wait_until(lambda: not runs(pid.read_text().strip()), 5)


def runs(pid: str) -> bool:
    """Whether the process is there and is not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_not_ready_is_waited_for_and_any_other_failure_is_not() -> None:
    answers: list[Exception | bool] = [tools.NotReady("it starts"), False, True]

    def ask() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert tools.wait_until(ask, 5.0) and not answers
    answers.append(tools.Failed("it is broken"))
    with pytest.raises(tools.Failed, match="broken"):
        tools.wait_until(ask, 5.0)


def test_a_program_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(tools.Failed, match="cannot be run"):
        tools.run(["/no/such/program"])


@pytest.mark.parametrize(
    ("check", "expect", "done"),
    [
        (["true"], None, True),
        (["false"], None, False),
        (["echo", "ready"], "ready", True),
        (["echo", "no"], "ready", False),
    ],
)
def test_a_check_is_done_by_exit_and_by_word(check: list[str], expect: str | None, done: bool) -> None:
    assert command_kind.look(dict(command("c", check=check, expect=expect).args))["done"] is done


def test_a_fix_reads_its_secret_from_standard_input_and_settles(tmp_path: Path) -> None:
    target = tmp_path / "t"
    one = command(
        "c", check=["test", "-s", str(target)], fix=["sh", "-c", f"cat > {target}"], stdin="key", settle_s=1
    )
    command_kind.fix(dict(one.args), {"done": True}, ["done"])
    assert target.read_text() == "key"


def test_a_fix_that_fails_says_its_words_and_one_that_never_settles_gives_up() -> None:
    with pytest.raises(tools.Failed) as caught:
        command_kind.fix(
            dict(command("c", check=["false"], fix=["sh", "-c", "echo oops >&2; exit 3"]).args), {}, []
        )
    assert "ended with 3" in str(caught.value) and caught.value.evidence == "oops"
    with pytest.raises(tools.Failed, match="still says no"):
        command_kind.fix(dict(command("c", check=["false"], settle_s=0.3).args), {}, [])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /ok, and says nothing for a while at /slow."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(10)
            return
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()
        self.wfile.write(b"I am fine")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    """A web server's port."""
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served.server_address[1]
    served.shutdown()
    served.server_close()


def test_http_answers(server: int) -> None:
    base = f"http://127.0.0.1:{server}"
    good = http_kind.look(http_args(base + "/ok", match="fine"))
    assert (good["status"], good["match"]) == (200, True)
    assert http_kind.look(http_args(base + "/ok", match="ill"))["match"] is False
    assert http_kind.look(http_args(base + "/bad"))["status"] == 503
    elsewhere = http_args("http://name.invalid/ok", connect_to=f"127.0.0.1:{server}")
    assert http_kind.look(elsewhere)["status"] == 200


def test_no_http_answer_is_status_0_with_the_reason_and_in_time(server: int) -> None:
    begun = time.monotonic()
    slow = http_kind.look(http_args(f"http://127.0.0.1:{server}/slow", timeout_s=0.2))
    assert slow["status"] == 0 and "0.2 s" in slow["error"] and time.monotonic() - begun < 5
    refused = http_kind.look(http_args("http://127.0.0.1:1/"))
    assert refused["status"] == 0 and "refused" in refused["error"]


def test_waiting_for_http_ends_with_the_last_answer(server: int) -> None:
    args = http_args(f"http://127.0.0.1:{server}/bad") | {"wait_s": 0.3}
    with pytest.raises(tools.Failed) as caught:
        http_kind.fix(args, {"status": 200}, ["status"])
    assert "503" in caught.value.evidence


def test_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert tcp_kind.look(dict(tcp("t", "127.0.0.1", port).args)) == {"open": True}
    assert tcp_kind.look(dict(tcp("t", "127.0.0.1", port).args))["open"] is False


def test_packages_are_installed_only_when_configured(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(
        "Package: bash\nEssential: yes\nStatus: install ok installed\nDescription: x\n\n"
        "Package: half\nStatus: install ok half-configured\n\n"
        "Package: gone\nStatus: deinstall ok config-files\n\n"
        "Package: last\nStatus: install ok installed\n"
    )
    assert packages_kind.installed(str(status)) == {"bash", "last"}


def test_what_an_installation_that_died_left_behind_is_seen_and_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, guard = tmp_path / "status", tmp_path / "policy-rc.d"
    status.write_text("Package: bash\nStatus: install ok installed\n")
    monkeypatch.setattr(packages_kind, "STATUS", str(status))
    monkeypatch.setattr(packages_kind, "GUARD", str(guard))
    monkeypatch.setattr(packages_kind, "SAVED", str(guard) + ".quorate-saved")
    monkeypatch.setattr(packages_kind, "UPDATES", str(tmp_path / "updates"))
    (tmp_path / "updates").mkdir()
    one = packages(["bash"])
    item = dict(one.args)

    def wrong() -> list[str]:
        return tools.differing(one.desired, packages_kind.look_many([item])[0])

    assert wrong() == []
    guard.write_text("#!/bin/sh\n# somebody else's\nexit 104\n")
    assert wrong() == []
    packages_kind._Guard().__enter__()  # and never out again: the power is cut
    assert wrong() == ["left"]
    packages_kind.fix(item, dict(one.desired), ["left"])
    assert wrong() == []
    assert "somebody else's" in guard.read_text()
    guard.unlink()
    packages_kind._Guard().__enter__()
    packages_kind.fix(item, dict(one.desired), ["left"])
    assert not guard.exists()


def test_an_optional_kernel_setting_that_is_missing_is_not_wrong(tmp_path: Path) -> None:
    args = dict(sysctl({"kernel.ostype": "Linux", "no.such": 1}, optional=["no.such"]).args)
    args["file"] = str(tmp_path / "x.conf")
    assert sysctl_kind.look(args) == {"wrong": {}, "kept": False}
    args["optional"] = []
    assert sysctl_kind.look(args)["wrong"] == {"no.such": "missing"}


def shown(**more: str) -> dict[str, str]:
    return {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled",
            "NeedDaemonReload": "no", "MainPID": "7", **more}  # fmt: skip


def test_a_unit_is_stale_when_a_file_is_newer_than_its_start(tmp_path: Path) -> None:
    conf = tmp_path / "x.cfg"
    conf.touch()
    args = {"name": "x.service", "restart_on": [str(conf)]}
    start = "Sun 2026-11-22 11:34:05.250000 UTC"
    begun = 1795347245.25
    for age, stale in ((begun - 1, False), (begun + 1, True)):
        os.utime(conf, (age, age))
        assert unit._state(args, shown(ExecMainStartTimestamp=start))["stale"] is stale
    assert unit._state(args, shown(ExecMainStartTimestamp=start, ActiveState="inactive"))["stale"] is False
    assert (
        unit._state({"name": "x"}, shown(ExecMainStartTimestamp=start, NeedDaemonReload="yes"))["stale"]
        is False
    )
    assert unit._state({**args, "restart_on": ["/no"]}, shown(NeedDaemonReload="yes"))["stale"] is True


@pytest.mark.parametrize(
    ("load", "file", "state"),
    [("loaded", "static", "disabled"), ("masked", "masked", "masked"), ("not-found", "", "not-found"),
     ("loaded", "generated", "generated")],
)  # fmt: skip
def test_unit_file_states(load: str, file: str, state: str) -> None:
    assert unit._state({"name": "x"}, shown(LoadState=load, UnitFileState=file))["file"] == state


def client(folder: Path, body: str) -> dict[str, str]:
    """A stand-in for the ``mariadb`` program."""
    program = folder / "mariadb"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{tools.PATH}"}


def test_queries_of_a_node_share_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"echo x >> {tmp_path}/calls; while read w v; do echo ${{v%;}} | tr -d \\'; done"
    monkeypatch.setattr(tools, "PATH", client(tmp_path, body)["PATH"])
    monkeypatch.setenv("PATH", tools.PATH)
    items = [dict(sql(f"q{n}", query=f"SELECT {n}", rows=[[n]], statements=[]).args) for n in range(3)]
    assert sql_kind.look_many(items) == [{"rows": [[str(n)]]} for n in range(3)]
    assert (tmp_path / "calls").read_text() == "x\n"


def test_a_database_that_is_not_up_yet_is_asked_again_and_another_error_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = dict(sql("q", query="SELECT 1", rows=[], statements=[]).args)
    for words, kind in (
        ("ERROR 2002 (HY000): no socket", tools.NotReady),
        ("ERROR 1064 (42000)", tools.Failed),
    ):
        monkeypatch.setenv("PATH", client(tmp_path, f"cat >/dev/null; echo '{words}' >&2; exit 1")["PATH"])
        monkeypatch.setattr(tools, "PATH", os.environ["PATH"])
        with pytest.raises(tools.Failed) as caught:
            sql_kind.look(args)
        assert type(caught.value) is kind


def test_a_member_is_asked_how_it_is_and_to_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "wsrep_ready\\tON\\nwsrep_local_state_comment\\tSynced\\nwsrep_cluster_size\\t3\\n"
    body = f"read first rest; echo $first >> {tmp_path}/asked; [ $first = SHOW ] && printf '{rows}'; exit 0"
    monkeypatch.setattr(tools, "PATH", client(tmp_path, body)["PATH"])
    monkeypatch.setenv("PATH", tools.PATH)
    state = galera_kind.look({"node": "c1"})
    assert (state["ready"], state["comment"], state["size"]) == (True, "Synced", 3)
    assert state["committed"] and "commit_error" not in state
    assert (tmp_path / "asked").read_text() == "SHOW\nREPLACE\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [("echo 'ERROR 2002 (HY000): no socket' >&2; exit 1", "no socket"), ("sleep 5", "did not end within")],
)
def test_a_database_that_does_not_answer_is_an_error_in_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    monkeypatch.setattr(tools, "PATH", client(tmp_path, body)["PATH"])
    monkeypatch.setenv("PATH", tools.PATH)
    assert said in galera_kind.look({"node": "c1", "timeout_s": 0.5})["error"]


def test_a_unit_that_systemd_is_about_to_start_again_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["inactive/dead", "activating/auto-restart", "activating/auto-restart", "active/running"])
    began = []

    def look(args: dict[str, Any]) -> dict[str, Any]:
        return {"file": "disabled", "active": False, "changed": False, "sub": next(states)}

    monkeypatch.setattr(unit, "look", look)
    monkeypatch.setattr(unit, "_job", lambda verb, name: began.append((verb, name)))
    monkeypatch.setattr(tools, "run", lambda argv, **_: None)
    unit.fix({"name": "x.service"}, {"active": True}, ["active"])
    assert began == [("start", "x.service")]
    assert list(states) == [], "until it runs"
