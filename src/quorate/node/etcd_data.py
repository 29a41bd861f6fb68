"""The data of a member of etcd: made once, of a new cluster, or of one that others have."""

from __future__ import annotations

import os
import shutil
from typing import Any

from quorate.node import etcd_ask, tools

WAITS = True
AGREE_S = 20.0


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``made``: it has data, or knows whom to begin with, and they wait for it."""
    if there(args):
        return {"made": True}
    return {"made": os.path.exists(args["initial"]) and _awaited(args)}


def there(args: dict[str, Any]) -> bool:
    """Whether it has a log, which is its memory as a voter: a start that failed may leave anything else."""
    try:
        return any(name.endswith(".wal") for name in os.listdir(f"{args['data']}/member/wal"))
    except FileNotFoundError:
        return False


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Write down whom to begin with.

    Where other members have a cluster, this one is removed from it and added anew: what it once promised as a
    voter is lost with its data. Where none answers, all begin one together; etcd refuses that by itself
    where a member finds out that the cluster has been before.

    Args:
        args: as for `etcd_ask.ask`; ``node``; ``members``, controller to its peer URL; ``data``, the folder;
            ``initial``, the file that the unit reads.

    Raises:
        Failed: nobody can know whether there is a cluster already; or it cannot be changed now.
    """
    own, urls = args["node"], args["members"]
    silent: dict[str, str] = {}
    serving = [node for node in urls if node != own and _serves(args, node, silent)]
    state, names = "new", dict(urls)
    if serving:
        state, names = "existing", _joined(args, serving[0])
    elif silent:
        node, said = next(iter(silent.items()))
        what = f"{node} cannot be asked whether it has etcd's data, and a second cluster must not begin"
        raise tools.Failed(what, said)
    shutil.rmtree(args["data"], ignore_errors=True)
    cluster = ",".join(f"{name}={url}" for name, url in names.items())
    text = f"ETCD_INITIAL_CLUSTER={cluster}\nETCD_INITIAL_CLUSTER_STATE={state}\n"
    with open(args["initial"] + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(args["initial"] + ".new", args["initial"])


def _address(args: dict[str, Any], node: str) -> str:
    return str(args["members"][node]).removeprefix("https://").rpartition(":")[0]


def _serves(args: dict[str, Any], node: str, silent: dict[str, str]) -> bool:
    """Whether a member answers there. One that says nothing could be one: it is put into ``silent``."""
    try:
        etcd_ask.members(args, address=_address(args, node))
    except ConnectionRefusedError:
        return False
    except etcd_ask.Refusal:
        return True
    except OSError as error:
        silent[node] = etcd_ask.said(error)
        return False
    return True


def _awaited(args: dict[str, Any]) -> bool:
    """Whether none of the others has a cluster yet, or one in which this member has never been."""
    own = args["members"][args["node"]]
    for node in args["members"]:
        try:
            found = [] if node == args["node"] else etcd_ask.members(args, address=_address(args, node))
        except (OSError, etcd_ask.Refusal):
            continue
        if found:
            return any(own in one["peerURLs"] and not one.get("name") for one in found)
    return True


def _joined(args: dict[str, Any], peer: str) -> dict[str, str]:
    """`_join` by ``peer``, once it agrees: the others have to have been connected for 5 s (its source)."""
    names: dict[str, str] = {}
    last: list[Exception] = []

    def agreed() -> bool:
        try:
            names.update(_join(args, _address(args, peer)))
        except (OSError, etcd_ask.Refusal) as error:
            last[:] = [error]
            return False
        return True

    if not tools.wait_until(agreed, AGREE_S):
        what = f"{peer} does not let it join etcd within {AGREE_S:g} s: {etcd_ask.said(last[0])}"
        raise tools.Failed(what, "a majority of the members has to be up for that")
    return names


def _join(args: dict[str, Any], address: str) -> dict[str, str]:
    """Remove and add this member, by the one at ``address``; hands back name and peer URL of all."""
    own, urls = args["node"], args["members"]
    for one in etcd_ask.members(args, address=address):
        if urls[own] in one["peerURLs"]:
            etcd_ask.ask(args, "/v3/cluster/member/remove", {"ID": one["ID"]}, address=address)
    added = etcd_ask.ask(args, "/v3/cluster/member/add", {"peerURLs": [urls[own]]}, address=address)
    known = {url: node for node, url in urls.items()}
    return {
        known.get(one["peerURLs"][0], one.get("name") or f"member-{one['ID']}"): one["peerURLs"][0]
        for one in added["members"]
    }
