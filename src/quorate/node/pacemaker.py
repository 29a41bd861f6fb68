"""Pacemaker on this node: its daemons run, it has joined the cluster, and somebody decides."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from quorate.node import tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask crm_mon(8).

    Args:
        args: ``node``, this node's name; ``unit``, whose journal tells more: ``pacemaker`` if left out.

    Returns:
        ``online``: this node is a member, in standby or not; ``dc``: whether there is a designated
        controller, and ``decider``: which node it is; ``quorate``; ``unclean``: nodes to be fenced.

    Raises:
        NotReady: the daemons do not answer.
    """
    done = tools.run(["crm_mon", "--one-shot", "--output-as=xml"], timeout_s=5)
    if done.exit != 0 or "<nodes>" not in done.out:
        raise tools.NotReady("Pacemaker does not answer on this node", done.words)
    root = ET.fromstring(done.out)
    dc = root.find("summary/current_dc")
    nodes = {node.get("name", ""): node for node in root.iterfind("nodes/node")}
    own = nodes.get(args["node"])
    return {
        "online": own is not None and own.get("online") == "true" and own.get("pending") != "true",
        "dc": dc is not None and dc.get("present") == "true",
        "decider": (dc.get("name") or "") if dc is not None else "",
        "quorate": dc is not None and dc.get("with_quorum") == "true",
        "unclean": sorted(name for name, node in nodes.items() if node.get("unclean") == "true"),
    }


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait until it is so.

    Raises:
        Failed: not within ``args["wait_s"]`` seconds.
    """
    if not tools.wait_until(lambda: not tools.differing(desired, look(args)), args["wait_s"]):
        journal = tools.run(
            [
                "journalctl",
                "-u",
                args.get("unit", "pacemaker"),
                "-n",
                "15",
                "--no-pager",
                "-o",
                "short-precise",
            ]
        )
        raise tools.Failed(f"this node has not joined the cluster within {args['wait_s']} s", journal.out)
