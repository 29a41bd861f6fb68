"""The file of a clustered OVSDB database: made once, as a new cluster or as one more member of a cluster."""

from __future__ import annotations

import os
import socket
from typing import Any

from quorate.node import tools

CLUSTERED = b"OVSDB CLUSTER "
"""How such a file begins (ovsdb(5))."""
ASK_S = 2.0


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``made``: the file ``path`` is there, and holds a clustered database."""
    try:
        with open(args["path"], "rb") as file:
            return {"made": file.read(len(CLUSTERED)) == CLUSTERED}
    except FileNotFoundError:
        return {"made": False}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Make the file.

    Args:
        args: ``path``; ``database``; ``schema``, a file; ``local``, this member's "address:port"; ``peers``,
            theirs; ``first``: this is the node that may begin a new cluster, if none of the peers has one;
            ``election_timer_ms`` of a new cluster.

    Raises:
        Failed: another file is in its place; or nobody can know whether there is a cluster already.
    """
    path, local, peers = args["path"], args["local"], args["peers"]
    if os.path.exists(path):
        raise tools.Failed(f"{path} is there, and is no clustered database: move it away if nobody needs it")
    os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
    if args["first"] and not any(_serves(peer) for peer in peers):
        timer = f"--election-timer={args['election_timer_ms']}"
        argv = ["ovsdb-tool", timer, "create-cluster", path, args["schema"], f"tcp:{local}"]
    else:
        remotes = [f"tcp:{peer}" for peer in peers]
        argv = ["ovsdb-tool", "join-cluster", path, args["database"], f"tcp:{local}", *remotes]
    tools.check(argv, f"{path} could not be made")


def _serves(peer: str) -> bool:
    """Whether a member answers at ``peer``. One that says nothing at all could be one: nobody may begin."""
    host, _, port = peer.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=ASK_S):
            return True
    except ConnectionRefusedError:
        return False
    except OSError as error:
        what = f"{peer} cannot be asked whether it has this database, and a second cluster must not begin"
        raise tools.Failed(what, str(error)) from None
