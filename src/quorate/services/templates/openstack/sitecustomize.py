"""sitecustomize.py: functions of OpenStack's libraries that waste time, and no option says otherwise.

- oslo.messaging looks for the answer to a call once in 0.5 s (amqpdriver.ReplyWaiters.get, since 14.8), so no
  call takes less, and a live migration makes some thirty of them. Here it looks soon and often at first, then
  less and less.
- oslo.messaging has one time-out for a broker that hangs and for one whose machine is dead, and it has to be
  long: a client that starves says nothing (impl_rabbit.Connection.set_transport_socket_timeout). Here the
  kernels, which never starve, find a dead machine among themselves, in `SILENT_S`.
- kombu, when it has lost a broker, connects to the same one first, and only then to another. A dead machine
  does not refuse: that takes 5 s, after which a consumer of oslo.messaging, which waits for less, begins anew
  with the same one, until it is back (Connection._ensure_connection). Here the next one comes first.
- stevedore, where it has no cache for this very search path, goes through all entry points of all packages
  once for each group of them (_cache._build_cacheable_data). Here it goes through them once.
- oslo.service's ProcessLauncher looks a hundred times a second whether its child still runs, which takes 1 to
  2% of a processor (ProcessLauncher.wait). Here it looks five times a second.
- yaml.safe_load is Python, also where libyaml is at hand. Policies are YAML: 150 kB of comments for Neutron.

Python loads this module by itself, from PYTHONPATH (site, "sitecustomize"), and it touches nothing until one
of them is loaded. Written by quorate.
"""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

SHORTEST_S, LONGEST_S = 0.005, 0.5
PART = 10
"""Between two looks: this part of the time that the call has taken so far."""
SILENT_S, IDLE_S, PROBE_S = 3, 1, 1
"""tcp(7): nothing acknowledged for so long; idle for so long, then a probe is sent; time between probes."""
CHILD_S = 0.2


def answers(driver: Any) -> None:
    """``ReplyWaiters.get`` looks soon. Nor does it block: heartbeats may need the thread (lp-2035113)."""

    def get(self: Any, msg_id: str, timeout: float | None) -> Any:
        began = time.monotonic()
        while True:
            try:
                return self._queues[msg_id].get(block=False)
            except driver.queue.Empty:
                waited = time.monotonic() - began
            if timeout is not None and waited >= timeout:
                text = f"Timed out waiting for a reply to message ID {msg_id}"
                raise driver.oslo_messaging.MessagingTimeout(text)
            time.sleep(min(LONGEST_S, max(SHORTEST_S, waited / PART)))

    if hasattr(getattr(driver, "ReplyWaiters", None), "get"):
        driver.ReplyWaiters.get = get


def silence(rabbit: Any) -> None:
    """``set_transport_socket_timeout`` that sets the kernel's limits, too."""
    limits = (
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_S * 1000),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_S),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    )
    original = getattr(getattr(rabbit, "Connection", None), "set_transport_socket_timeout", None)
    if original is None:
        return

    def set_transport_socket_timeout(self: Any, timeout: float | None = None) -> None:
        original(self, timeout)
        with contextlib.suppress(AttributeError, OSError):  # not connected: there is nothing to set
            for level, option, value in limits:
                self.channel.connection.sock.setsockopt(level, option, value)

    rabbit.Connection.set_transport_socket_timeout = set_transport_socket_timeout


def next_broker(kombu: Any) -> None:
    """``_ensure_connection`` leaves a broker that was lost, which ``collect`` remembers."""
    connection: Any = getattr(kombu, "Connection", None)
    if not all(hasattr(connection, name) for name in ("_ensure_connection", "collect", "maybe_switch_next")):
        return
    original, forget = connection._ensure_connection, connection.collect

    def collect(self: Any, *words: Any, **options: Any) -> None:
        forget(self, *words, **options)
        self.quorate_lost = True

    def _ensure_connection(self: Any, *words: Any, **options: Any) -> Any:
        if not self.connected:
            if self._connection is not None:
                collect(self)
            if self.__dict__.pop("quorate_lost", False):
                self.maybe_switch_next()
        return original(self, *words, **options)

    connection.collect, connection._ensure_connection = collect, _ensure_connection


def entry_points(cache: Any) -> None:
    """``_build_cacheable_data`` with the same result, each entry point looked at once."""

    def build() -> dict[str, Any]:
        from importlib import metadata  # not for whoever needs none of this: 40 ms

        groups: dict[str, dict[tuple[str, str, str], None]] = {}
        points: Any = metadata.entry_points()
        for point in points:
            groups.setdefault(point.group, {})[point.name, point.value, point.group] = None
        return {
            "groups": {name: list(members) for name, members in groups.items()},
            "sys.executable": sys.executable,
            "sys.prefix": sys.prefix,
        }

    if hasattr(cache, "_build_cacheable_data"):
        cache._build_cacheable_data = build


def launcher(service: Any) -> None:
    """``ProcessLauncher`` that looks after its child once in `CHILD_S`, unless its caller says otherwise."""
    original = getattr(getattr(service, "ProcessLauncher", None), "__init__", None)
    if original is None:
        return

    def __init__(self: Any, conf: Any, wait_interval: float = CHILD_S, *words: Any, **options: Any) -> None:
        original(self, conf, wait_interval, *words, **options)

    service.ProcessLauncher.__init__ = __init__


def libyaml(yaml: Any) -> None:
    """``safe_load`` with the loader that PyYAML's own documentation recommends for speed."""
    if hasattr(yaml, "CSafeLoader"):
        yaml.safe_load = lambda stream: yaml.load(stream, yaml.CSafeLoader)


class Finder:
    """Finds each module as Python does, and changes it once it has been loaded."""

    def __init__(self, changes: dict[str, Callable[[Any], None]]) -> None:
        self.changes = changes

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        change = self.changes.pop(name, None)
        spec = importlib.util.find_spec(name) if change else None
        if change is None or spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            change(module)

        setattr(spec.loader, "exec_module", exec_module)  # noqa: B010 - mypy takes an assignment for a mistake
        return spec


CHANGES = {
    "kombu.connection": next_broker,
    "oslo_messaging._drivers.amqpdriver": answers,
    "oslo_messaging._drivers.impl_rabbit": silence,
    "oslo_service.backend.eventlet.service": launcher,
    "stevedore._cache": entry_points,
    "yaml": libyaml,
}
sys.meta_path.insert(0, Finder(CHANGES))
