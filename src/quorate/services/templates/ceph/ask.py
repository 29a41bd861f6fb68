#!/usr/bin/python3
"""Asks the Ceph cluster some things over one connection. Written by quorate.

Reads {"client": name, "timeout_s": seconds, "steps": [step, …]} as JSON from standard input and prints
{"answers": [{"code", "out", "err"}, …]}, or {"error": text} where no monitor in quorum answered in time.
A step is one of
  {"to": "mon" | "mgr", "command": {"prefix": …}, "input": text}   a command of the monitors or the manager
  {"to": "pool", "pool": name, "do": "write" | "read" | "remove", "object": name, "text": text}
  {"to": "rbd", "pool": name}                                      prepare the pool for block devices
The first step that fails ends it: those after it have no answer. Every call gives up after the time-out.
"""

import json
import os
import sys
from typing import Any

import rados

Step = dict[str, Any]
Answer = dict[str, Any]


def command(cluster: Any, step: Step, timeout_s: int) -> Answer:
    """What a monitor or the manager says."""
    call = cluster.mgr_command if step["to"] == "mgr" else cluster.mon_command
    words = json.dumps({"format": "json", **step["command"]})
    code, out, err = call(words, step.get("input", "").encode(), timeout=timeout_s)
    return {"code": -code, "out": out.decode(errors="replace"), "err": err}


def objects(cluster: Any, step: Step) -> Answer:
    """An object written, read or removed; written means that all replicas have it on their disks."""
    with cluster.open_ioctx(step["pool"]) as pool:
        name, out = step["object"], ""
        if step["do"] == "write":
            pool.write_full(name, step["text"].encode())
        elif step["do"] == "read":
            out = pool.read(name).decode(errors="replace")
        else:
            pool.remove_object(name)
    return {"code": 0, "out": out, "err": ""}


def prepare(cluster: Any, step: Step) -> Answer:
    """Mark the pool as one of block devices, and leave what librbd looks for in it."""
    import rbd

    with cluster.open_ioctx(step["pool"]) as pool:
        rbd.RBD().pool_init(pool, True)
    return {"code": 0, "out": "", "err": ""}


def answer(cluster: Any, step: Step, timeout_s: int) -> Answer:
    """Do one step; what it raises is its answer."""
    try:
        if step["to"] == "pool":
            return objects(cluster, step)
        if step["to"] == "rbd":
            return prepare(cluster, step)
        return command(cluster, step, timeout_s)
    except rados.Error as error:
        return {"code": error.errno or 1, "out": "", "err": str(error)}


def main() -> None:
    """Connect, ask, print."""
    request = json.load(sys.stdin)
    timeout_s = max(1, int(request["timeout_s"]))
    limits = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
    conf = {**dict.fromkeys(limits, str(timeout_s)), "log_to_stderr": "false", "log_file": ""}
    result: dict[str, Any] = {"answers": []}
    try:
        cluster = rados.Rados(rados_id=request["client"], conffile="/etc/ceph/ceph.conf", conf=conf)
        cluster.connect()
    except rados.Error as error:
        result = {"error": str(error)}
    else:
        for step in request["steps"]:
            result["answers"].append(answer(cluster, step, timeout_s))
            if result["answers"][-1]["code"]:
                break
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()
    # librados has threads of its own, which still use OpenSSL while an orderly end takes that down: on a busy
    # node the process then died of SIGABRT, with its answer given.
    os._exit(0)


if __name__ == "__main__":
    main()
