"""bounded.py: Neutron whose clients of OVN's databases notice silence, and whose workers come back.

Under uWSGI it is the API (``application``). As a program, ``bounded.py MODULE:FUNCTION ARGUMENT…`` is another
part of Neutron. What it changes, before any part is loaded, because no option does:

- Neutron 26 turns off the probes of its connections to OVN's databases (impl_idl_ovn.NoProbesMixin): it
  leaves it to the kernel to find out that a controller died, 45 s. Those of OVS have ovsdb_probe_interval.
- Events of OVN are shared out among all API workers of all controllers. Those of a dead controller count for
  120 s (constants.HASH_RING_NODES_TIMEOUT), and so long their events are lost, "this port is up" among them.
- A worker that was killed finds its own entry among those workers, and could not be loaded again.
- Without its tables Neutron ends at once, and loads and loads until they are there. Here it waits for them.
"""

from __future__ import annotations

import configparser
import importlib
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOUCH_S = 4
"""How often each worker says that it lives."""
SILENT_S = 20
"""Who has not done so for so long gets no events: longer than the database needs to move to another node."""
CACHE_S = 4
"""How long each worker relies on what it read of the others."""
DRIVER = "neutron.plugins.ml2.drivers.ovn.mech_driver"
CONFIG = Path("/etc/neutron/neutron.conf")
HEADS = Path("/usr/lib/python3/dist-packages/neutron/db/migration/alembic_migrations/versions")
SCHEMA_S = 900.0
"""How long the tables may take to be there."""
SERVER = "neutron.cmd.eventlet.server"
"""Its parts use the database."""


def wait_for_tables(find: Callable[[], set[str]]) -> None:
    """Wait until ``find`` tells the versions that this Neutron needs; RuntimeError after `SCHEMA_S`."""
    wanted = {path.read_text(encoding="ascii").strip() for path in HEADS.glob("*_HEAD")}
    ends = time.monotonic() + SCHEMA_S
    while not wanted <= find():
        if time.monotonic() > ends:
            raise RuntimeError(f"the tables are not at {', '.join(sorted(wanted))} after {SCHEMA_S:g} s")
        time.sleep(1)


def versions() -> set[str]:
    """What Alembic says of the tables; nothing where there are none, or no database answers."""
    parser = configparser.RawConfigParser(strict=False)
    parser.read(CONFIG)
    url = urllib.parse.urlsplit(parser["database"]["connection"])
    client: Any = importlib.import_module("pymysql")
    limits = {"connect_timeout": 2, "read_timeout": 5, "write_timeout": 5}
    place = {"host": url.hostname, "port": url.port, "database": url.path.lstrip("/")}
    try:
        with client.connect(user=url.username, password=url.password, **place, **limits) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT version_num FROM alembic_version")
            return {str(row[0]) for row in cursor.fetchall()}
    except client.MySQLError:
        return set()


def prepare() -> None:
    """Change what has to be changed. Raises RuntimeError where it is too late, or Neutron is another."""
    if f"{DRIVER}.ovsdb.maintenance" in sys.modules:
        raise RuntimeError("Neutron's OVN driver is loaded already: its intervals cannot be changed")
    constants: Any = importlib.import_module("neutron.common.ovn.constants")
    wanted = {
        "HASH_RING_TOUCH_INTERVAL": TOUCH_S,
        "HASH_RING_NODES_TIMEOUT": SILENT_S,
        "HASH_RING_CACHE_TIMEOUT": CACHE_S,
    }
    for name, seconds in wanted.items():
        if not hasattr(constants, name):
            raise RuntimeError(f"this Neutron has no {name}")
        setattr(constants, name, seconds)
    ring: Any = importlib.import_module("neutron.db.ovn_hash_ring_db")
    ring.add_node = afresh(ring)
    importlib.import_module(f"{DRIVER}.ovsdb.impl_idl_ovn")
    stream: Any = importlib.import_module("ovs.stream")
    stream.Stream.register_method("tcp", stream.TCPStream)


def afresh(ring: Any) -> Any:
    """``add_node`` of ``ring`` that first forgets what a worker of the same number left there."""
    add = ring.add_node

    def add_node(context: Any, group_name: str, node_uuid: str, created_at: Any = None) -> Any:
        ring.remove_node_by_uuid(context, node_uuid)
        return add(context, group_name, node_uuid, created_at=created_at)

    return add_node


def api() -> Any:
    """The API, as a WSGI application."""
    wait_for_tables(versions)
    prepare()
    return importlib.import_module("neutron.cmd.server").main_api_uwsgi()


def main(entry: str) -> Any:
    """Another part. Its module goes first: it may have to change Python itself (eventlet)."""
    module, _, function = entry.partition(":")
    if module == SERVER:
        wait_for_tables(versions)
    start = getattr(importlib.import_module(module), function)
    prepare()
    return start()


if __name__ == "__main__":
    part = sys.argv.pop(1)
    sys.exit(main(part))
elif "uwsgi" in sys.modules:
    application = api()
