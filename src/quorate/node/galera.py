"""How this node's database is: synced, and able to commit a row of its own."""

from __future__ import annotations

import time
from typing import Any

from quorate.node import sql, tools

STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state_comment',"
    " 'wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_last_committed', 'wsrep_incoming_addresses')"
)


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the database through its socket, as root.

    Args:
        args: ``node``, whose row in quorate.probe is written; ``timeout_s`` for each question.

    Returns:
        ``ready``, ``comment``, ``size``, ``component``, ``seqno``, ``peers``, ``committed``, with it
        ``commit_ms`` or ``commit_error``; only ``error`` where the database does not answer.
    """
    timeout_s = float(args.get("timeout_s", 3.0))
    try:
        told = sql.checked(STATUS, "", "the database does not answer", timeout_s)
    except tools.Failed as failure:
        return {"error": _said(failure)}
    status = dict(row.split("\t", 1) for row in told.splitlines())
    state: dict[str, Any] = {
        "ready": status.get("wsrep_ready") == "ON",
        "comment": status.get("wsrep_local_state_comment", ""),
        "size": int(status.get("wsrep_cluster_size") or 0),
        "component": status.get("wsrep_cluster_status", ""),
        "seqno": int(status.get("wsrep_last_committed") or -1),
        "peers": status.get("wsrep_incoming_addresses", ""),
        "committed": False,
    }
    if state["ready"]:
        started = time.monotonic()
        node = str(args["node"]).replace("'", "")
        try:
            row = f"REPLACE INTO quorate.probe (node, value) VALUES ('{node}', {time.time_ns()})"
            sql.checked(row, "", "the commit failed", timeout_s)
        except tools.Failed as failure:
            state["commit_error"] = _said(failure)
        else:
            state["committed"] = True
            state["commit_ms"] = round(1000 * (time.monotonic() - started))
    return state


def _said(failure: tools.Failed) -> str:
    return ": ".join(filter(None, (str(failure), failure.evidence)))
