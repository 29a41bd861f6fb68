"""How this node's database is: synced, and able to commit a row of its own."""

from __future__ import annotations

import subprocess
import time
from typing import Any

STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state_comment',"
    " 'wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_last_committed', 'wsrep_incoming_addresses')"
)


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the database through its socket, as root.

    Args:
        args: ``node``, whose row in quorate.probe is written; ``timeout_s`` for each question.

    Returns:
        ``ready``, ``comment``, ``size``, ``component``, ``seqno``, ``peers``, ``committed``, ``commit_ms``;
        or ``error`` where the database does not answer.
    """
    timeout_s = float(args.get("timeout_s", 3.0))
    try:
        rows = query(STATUS, timeout_s)
    except (RuntimeError, OSError) as error:
        return {"error": str(error)}
    status = dict(row.split("\t", 1) for row in rows)
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
            query(f"REPLACE INTO quorate.probe (node, value) VALUES ('{node}', {time.time_ns()})", timeout_s)
        except (RuntimeError, OSError) as error:
            state["commit_error"] = str(error)
        else:
            state["committed"] = True
            state["commit_ms"] = round(1000 * (time.monotonic() - started))
    return state


def query(statement: str, timeout_s: float) -> list[str]:
    """The lines that ``statement`` returns.

    Raises:
        RuntimeError: the client said no, or did not answer in time.
    """
    argv = ["mariadb", "-N", "-B", "--protocol=socket", "--connect-timeout=2", "-u", "root"]
    try:
        done = subprocess.run(
            argv, input=statement, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the database did not answer within {timeout_s:g} s") from error
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"mariadb exited with {done.returncode}")
    return done.stdout.splitlines()
