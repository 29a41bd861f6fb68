"""A lock in etcd, taken as its clients take it: what ``verify`` proves it with."""

from __future__ import annotations

from typing import Any

from quorate.node import etcd_ask, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``got``: the lock is this caller's now; or it was, and is given back.

    Args:
        args: as for `etcd_ask.ask`; ``do`` ("take", "give"); ``key``; ``owner``; ``life_s``: a lock whose
            owner forgets it is gone after so many seconds.

    Raises:
        Failed: the member does not answer, or refuses.
    """
    key, owner = etcd_ask.coded(args["key"]), etcd_ask.coded(args["owner"])
    try:
        if args["do"] == "give":
            compare: dict[str, Any] = {"key": key, "result": "EQUAL", "target": "VALUE", "value": owner}
            change: dict[str, Any] = {"requestDeleteRange": {"key": key}}
        else:
            lease = etcd_ask.ask(args, "/v3/lease/grant", {"TTL": args["life_s"]})["ID"]
            compare = {"key": key, "result": "EQUAL", "target": "CREATE", "createRevision": 0}
            change = {"requestPut": {"key": key, "value": owner, "lease": lease}}
        answer = etcd_ask.ask(args, "/v3/kv/txn", {"compare": [compare], "success": [change], "failure": []})
    except (OSError, etcd_ask.Refusal) as error:
        raise tools.Failed("etcd does not do it", etcd_ask.said(error)) from None
    return {"got": bool(answer.get("succeeded"))}
