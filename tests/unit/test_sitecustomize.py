"""sitecustomize.py, with which OpenStack's libraries waste less time, on libraries of a few lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.services.rendering import TEMPLATES

DRIVER = """
import queue
import types

oslo_messaging = types.SimpleNamespace(MessagingTimeout=TimeoutError)


class ReplyWaiters:
    def __init__(self):
        self._queues = {}

    def get(self, msg_id, timeout):
        raise AssertionError("half a second")
"""
CALLER = """
import sitecustomize
from oslo_messaging._drivers import amqpdriver

now, looks = 0.0, 0
waiters = amqpdriver.ReplyWaiters()
waiters._queues["a call"] = answers = amqpdriver.queue.Queue()


class Clock:
    def monotonic():
        return now

    def sleep(seconds):
        global now, looks
        if now < {answered} <= now + seconds:
            answers.put("the answer")
        now, looks = now + seconds, looks + 1


sitecustomize.time = Clock
try:
    print(waiters.get("a call", {timeout}), now, looks)
except TimeoutError as error:
    print(error, now, looks)
"""


@pytest.mark.parametrize(
    ("answered", "timeout", "said", "soonest", "latest", "most"),
    [
        (0.02, "30", "the answer", 0.02, 0.026, 5),
        (4.0, "None", "the answer", 4.0, 4.5, 70),
        (99, "30", "Timed out waiting for a reply to message ID a call", 30, 30.6, 140),
    ],
)
def test_a_call_takes_as_long_as_its_answer(
    tmp_path: Path, answered: float, timeout: str, said: str, soonest: float, latest: float, most: int
) -> None:
    drivers = tmp_path / "oslo_messaging/_drivers"
    drivers.mkdir(parents=True)
    (drivers.parent / "__init__.py").touch()
    (drivers / "__init__.py").touch()
    (drivers / "amqpdriver.py").write_text(DRIVER)
    script = CALLER.format(answered=answered, timeout=timeout)
    words, at, looks = quicker_python(tmp_path, script).rsplit(" ", 2)
    assert words == said
    assert soonest <= float(at) <= latest
    assert int(looks) <= most


RABBIT = """
class Connection:
    def set_transport_socket_timeout(self, timeout=None):
        print("original", timeout)
"""
CONNECTED = """
import types
from oslo_messaging._drivers import impl_rabbit

connection = impl_rabbit.Connection()
connection.set_transport_socket_timeout()
sock = types.SimpleNamespace(setsockopt=lambda *words: print(*map(int, words)))
connection.channel = types.SimpleNamespace(connection=types.SimpleNamespace(sock=sock))
connection.set_transport_socket_timeout(timeout=7)
"""


def test_the_kernel_watches_a_connection_to_a_broker(tmp_path: Path) -> None:
    """One that is not there yet is left alone. The numbers are those of Linux (tcp(7), socket(7))."""
    drivers = tmp_path / "oslo_messaging/_drivers"
    drivers.mkdir(parents=True)
    (drivers.parent / "__init__.py").touch()
    (drivers / "__init__.py").touch()
    (drivers / "impl_rabbit.py").write_text(RABBIT)
    said = quicker_python(tmp_path, CONNECTED).splitlines()
    assert said == ["original None", "original 7", "6 18 3000", "6 4 1", "6 5 1", "1 9 1"]


KOMBU = """
class Connection:
    '''As kombu's: tries one host until it is told to change over.'''

    def __init__(self, hosts):
        self.hosts, self._connection, self.dead = hosts, None, set()

    @property
    def connected(self):
        return self._connection is not None and self._connection not in self.dead

    def collect(self, socket_timeout=None):
        self._connection = None

    def maybe_switch_next(self):
        self.hosts = self.hosts[1:] + self.hosts[:1]

    def _ensure_connection(self, errback=None):
        if self.connected:
            return self._connection
        print("try", self.hosts[0])
        if self.hosts[0] in self.dead:
            raise TimeoutError
        self._connection = self.hosts[0]
        return self._connection
"""
LOST = """
from kombu.connection import Connection

connection = Connection(["a", "b", "c"])
connection._ensure_connection()
connection._ensure_connection()
connection.dead = {"a"}
connection.collect()  # as ensure() does after an error
connection._ensure_connection(errback=print)
connection.dead = {"b"}
connection._ensure_connection()  # as a heartbeat does, which tells nobody before
connection.dead = {"a", "b", "c"}
for _ in range(4):  # as a consumer that gives up before the next host's turn
    connection.collect()
    try:
        connection._ensure_connection()
    except TimeoutError:
        print("late")
"""


def test_a_lost_broker_is_left_for_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "kombu").mkdir()
    (tmp_path / "kombu/__init__.py").touch()
    (tmp_path / "kombu/connection.py").write_text(KOMBU)
    said = quicker_python(tmp_path, LOST).split("\n")
    assert said == [
        "try a",
        "try b",
        "try c",
        *("try a", "late"),
        *("try b", "late"),
        *("try c", "late"),
        *("try a", "late"),
    ]


CACHE = """
def _build_cacheable_data():
    raise AssertionError("once for each group")
"""
POINTS = """
import sitecustomize
from importlib import metadata

points = [("a", "m:a", "x"), ("b", "m:b", "y"), ("c", "m:c", "x"), ("a", "m:a", "x")]
metadata.entry_points = lambda: [metadata.EntryPoint(*point) for point in points]
from stevedore import _cache
print(_cache._build_cacheable_data()["groups"])
"""


def test_entry_points_are_sorted_into_groups_in_one_go(tmp_path: Path) -> None:
    """As the original does it: in order, none of them twice; a lab test compares the two."""
    (tmp_path / "stevedore").mkdir()
    (tmp_path / "stevedore/__init__.py").touch()
    (tmp_path / "stevedore/_cache.py").write_text(CACHE)
    said = quicker_python(tmp_path, POINTS)
    assert said == "{'x': [('a', 'm:a', 'x'), ('c', 'm:c', 'x')], 'y': [('b', 'm:b', 'y')]}"


YAML = """
import io
import yaml
slow = yaml.load("a: [1, no, 2026-11-30, {b: x}]", yaml.SafeLoader)
print(yaml.safe_load.__module__, yaml.safe_load("a: [1, no, 2026-11-30, {b: x}]") == slow)
print(yaml.safe_load("# a comment"), yaml.safe_load(io.StringIO("a: b")))
try:
    yaml.safe_load("!!python/object/apply:os.getpid []")
except yaml.YAMLError:
    print("refused")
"""


def test_yaml_is_read_by_libyaml(tmp_path: Path) -> None:
    assert quicker_python(tmp_path, YAML) == "sitecustomize True\nNone {'a': 'b'}\nrefused"


SERVICE = """
class ProcessLauncher:
    def __init__(self, conf, wait_interval=0.01, restart_method="reload"):
        print(conf, wait_interval, restart_method)
"""
LAUNCH = """
from oslo_service.backend.eventlet import service
service.ProcessLauncher("conf", restart_method="mutate")
service.ProcessLauncher("conf", 0.01)
"""


def test_a_launcher_looks_after_its_child_less_often(tmp_path: Path) -> None:
    folder = tmp_path / "oslo_service/backend/eventlet"
    folder.mkdir(parents=True)
    for each in (folder, *list(folder.parents)[:2]):
        (each / "__init__.py").touch()
    (folder / "service.py").write_text(SERVICE)
    assert quicker_python(tmp_path, LAUNCH) == "conf 0.2 mutate\nconf 0.01 reload"


def quicker_python(modules: Path, script: str) -> str:
    """What ``script`` prints where Python finds the nodes' sitecustomize, and ``modules``."""
    folders = {**os.environ, "PYTHONPATH": f"{TEMPLATES / 'openstack'}:{modules}"}
    words = [sys.executable, "-B", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, env=folders, check=True).stdout.strip()
