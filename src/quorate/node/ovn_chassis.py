"""A node that carries guests' networks: does its switch answer, and does it do what OVN says, up to now?"""

from __future__ import annotations

import time
from typing import Any

from quorate.node import ovs, ovsdb, tools

WAITS = True
CATCH_UP_S = 1.5


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the switch, ovn-controller, and the southbound database about this node.

    Args:
        args: ``name`` of the chassis; ``southbound``, where that database is.

    Returns:
        ``switch``: "" or why it does not answer; ``connection`` of ovn-controller: "connected" or what it
        says; ``registered``; ``behind``: how many changes it has not carried out after a moment's patience;
        ``tunnels``: the other end's address to "up", "down" or "" (nobody watches it).
    """
    switch = tools.run(["ovs-appctl", "--timeout=3", "-t", "ovs-vswitchd", "dpif/show"], timeout_s=4)
    if switch.exit != 0:
        words = switch.words.splitlines() or ["no reason given"]
        return {"switch": words[-1], "connection": "", "registered": False, "behind": 0, "tunnels": {}}
    said = tools.run(["ovn-appctl", "--timeout=3", "-t", "ovn-controller", "connection-status"], timeout_s=4)
    connection = said.out.strip() if said.exit == 0 else "ovn-controller does not answer"
    state = {"switch": "", "connection": connection, "registered": False, "behind": 0, "tunnels": _tunnels()}
    return state | (_standing(args) if connection == "connected" else {})


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait until it is so.

    Raises:
        Failed: not within ``args["wait_s"]`` seconds.
    """
    if not tools.wait_until(lambda: not tools.differing(desired, look(args)), args["wait_s"]):
        state = look(args)
        found = ", ".join(f"{key} is {state[key]!r}" for key in tools.differing(desired, state))
        journal = tools.run(
            ["journalctl", "-u", "ovn-controller", "-n", "15", "--no-pager", "-o", "short-precise"]
        )
        raise tools.Failed(f"the chassis is not ready after {args['wait_s']:g} s: {found}", journal.out)


def _standing(args: dict[str, Any]) -> dict[str, Any]:
    """Whether the southbound database knows it, and how far it is behind what was there when we came."""
    argv = ["ovn-sbctl", f"--db={args['southbound']}", "--no-leader-only", "--timeout=3", "--format=json"]
    argv += ["--", "--columns=nb_cfg", "list", "SB_Global"]
    argv += ["--", "--columns=nb_cfg", "find", "Chassis_Private", f"name={args['name']}"]
    deadline, target = time.monotonic() + CATCH_UP_S, None
    while True:
        whole, mine = ovsdb.tables(argv, "the southbound database does not answer", timeout_s=4)
        if target is None:
            target = int(whole[0]["nb_cfg"]) if whole else 0
        behind = target - int(mine[0]["nb_cfg"]) if mine else 0
        if not mine or behind <= 0 or time.monotonic() >= deadline:
            return {"registered": bool(mine), "behind": max(0, behind)}
        time.sleep(tools.POLL_S)


def _tunnels() -> dict[str, str]:
    argv = [*ovs.VSCTL, "--format=json", "--columns=options,bfd_status", "find", "Interface", "type=geneve"]
    (rows,) = ovsdb.tables(argv, "Open vSwitch's database does not answer")
    found = {}
    for row in rows:
        state = row["bfd_status"].get("state", "") if row["bfd_status"] else ""
        found[row["options"].get("remote_ip", "?")] = "up" if state == "up" else "down" if state else ""
    return found
