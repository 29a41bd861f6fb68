"""Corosync: is this node in a quorate membership, and does it run with the files that are on the disk."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from quorate.node import tools

WAITS = True
STAMP = "/run/quorate/corosync.loaded"
"""The digest of the files that were last reloaded: Corosync does not tell which configuration it has."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask corosync-quorumtool(8) and the process.

    Args:
        args: ``files``, what Corosync reads (its configuration and its key).

    Returns:
        ``quorate``; ``members`` (names, sorted); ``loaded``: it was started or reloaded since the files
        changed; ``links_down``: "c2 link 1", for every link to another node that is not connected.

    Raises:
        NotReady: Corosync does not answer.
    """
    # Exit 2 means "not quorate": an answer too.
    done = tools.run(["corosync-quorumtool", "-s", "-i"], timeout_s=4)
    if "Quorate:" not in done.out:
        raise tools.NotReady("Corosync does not answer on this node", done.words)
    fields = dict(line.split(":", 1) for line in done.out.splitlines() if ":" in line)
    listed = _cmap("nodelist.node.")
    names = {
        listed[key.replace(".name", ".nodeid")]: name for key, name in listed.items() if key.endswith(".name")
    }
    rows = done.out.partition("Nodeid")[2].splitlines()[1:]
    members = {line.split()[0] for line in rows if line.strip()}
    return {
        "quorate": fields["Quorate"].strip() == "Yes",
        "members": sorted(name for identifier, name in names.items() if identifier in members),
        "loaded": _loaded(args["files"]),
        "links_down": links_down(_cmap("stats.knet.node", "-m", "stats"), names),
    }


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Have the configuration reloaded, by the whole membership; wait for quorum.

    Raises:
        Failed: Corosync refused the configuration, or there is no quorum in ``args["wait_s"]`` seconds.
    """
    if "loaded" in wrong:
        tools.check(["corosync-cfgtool", "-R"], "Corosync did not reload its configuration", timeout_s=20)
        os.makedirs(os.path.dirname(STAMP), mode=0o700, exist_ok=True)
        with open(STAMP, "w", encoding="ascii") as stamp:
            stamp.write(_digest(args["files"]))
    if not tools.wait_until(lambda: bool(look(args)["quorate"]), args["wait_s"]):
        shown = tools.run(["corosync-quorumtool", "-s", "-i"]).out + tools.run(["corosync-cfgtool", "-n"]).out
        raise tools.Failed(f"no quorum within {args['wait_s']} s", shown)


def _cmap(prefix: str, *options: str) -> dict[str, str]:
    """Keys and values under ``prefix`` (corosync-cmapctl(8)): ``nodelist.node.0.name (str) = c1`` lines."""
    lines = tools.run(["corosync-cmapctl", *options, prefix], timeout_s=4).out.splitlines()
    return {line.partition(" (")[0]: line.partition(" = ")[2].strip() for line in lines if " = " in line}


def links_down(stats: dict[str, str], names: dict[str, str]) -> list[str]:
    """Links that are configured and not connected, as "c2 link 1".

    Args:
        stats: ``stats.knet.node12.link0.connected`` and the like (cmap_keys(7)).
        names: node id to name.
    """
    down = []
    for key, value in stats.items():
        if (
            key.endswith(".connected")
            and value == "0"
            and stats.get(key[: -len("connected")] + "enabled") == "1"
        ):
            node, _, link = key[len("stats.knet.node") : -len(".connected")].partition(".link")
            down.append(f"{names.get(node, node)} link {link}")
    return sorted(down)


def _digest(files: list[str]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _loaded(files: list[str]) -> bool:
    with open("/run/corosync.pid", encoding="ascii") as file:
        started = os.stat(f"/proc/{int(file.read())}").st_mtime
    if all(os.stat(path).st_mtime < started for path in files):
        return True
    try:
        with open(STAMP, encoding="ascii") as stamp:
            return stamp.read() == _digest(files)
    except FileNotFoundError:
        return False
