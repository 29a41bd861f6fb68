"""A monitor's store: made once, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from quorate.node import ceph, tools

OSDS = "/var/lib/ceph/osd"
ASK_S = 5.0


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``made``: the monitor ``node`` has a store in ``folder``."""
    return {"made": os.path.isdir(os.path.join(args["folder"], "store.db"))}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Make the store beside its place, and rename it there.

    Where other monitors already work it fetches everything from them when it starts.
    """
    folder, node = args["folder"], args["node"]
    _refuse_a_second_cluster()
    new = f"{folder}.new"
    shutil.rmtree(new, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir="/run", prefix="quorate-ceph-") as work:
        shutil.chown(work, "ceph", "ceph")
        keyring, monmap = os.path.join(work, "keyring"), os.path.join(work, "monmap")
        handle = os.open(keyring, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(args["keyring"])
        members = [
            word
            for name, address in args["mons"].items()
            for word in ("--addv", name, f"[v2:{address}:3300,v1:{address}:6789]")
        ]
        tools.check(
            ["monmaptool", "--create", "--clobber", "--fsid", args["fsid"], *members, monmap],
            "the map of the monitors cannot be made",
        )
        for path in (keyring, monmap):
            shutil.chown(path, "ceph", "ceph")
        os.mkdir(new, 0o755)
        shutil.chown(new, "ceph", "ceph")
        tools.check(
            ["ceph-mon", "--mkfs", "-i", node, "--mon-data", new, "--monmap", monmap, "--keyring", keyring,
             "--setuser", "ceph", "--setgroup", "ceph"],
            "the monitor's store cannot be made",
            timeout_s=60,
        )  # fmt: skip
    os.sync()
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
    os.rename(new, folder)
    os.sync()


def _refuse_a_second_cluster() -> None:
    """Raise where this node holds data of a cluster whose monitors do not answer."""
    made = [name for name in os.listdir(OSDS) if os.path.exists(os.path.join(OSDS, name, "ready"))]
    if not made:
        return
    try:
        ceph.ask([ceph.mon({"prefix": "status"})], "admin", ASK_S)
    except tools.Failed as failure:
        raise tools.Failed(
            f"this node has the data of {', '.join(sorted(made))}, but its monitor's store is gone and no"
            " other monitor answers; start those first: a new one would know nothing of that data",
            str(failure),
        ) from None
