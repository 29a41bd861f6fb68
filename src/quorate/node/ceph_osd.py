"""An OSD's store: registered with the monitors, then made; never over data, never a second time."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any

from quorate.node import ceph, tools

ASK_S = 5.0
LABEL = b"bluestore block device\n"
"""What a block device of BlueStore begins with, its uuid follows (Ceph, os/bluestore/BlueStore.cc)."""
RESERVE = 0.1
"""Of the file system that holds the OSD's file: what has to stay free when the OSD is full."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``made``: the OSD ``number`` has its store, of this cluster and with its uuid."""
    folder = args["folder"]
    wanted = {
        "ready": "ready",
        "whoami": str(args["number"]),
        "fsid": args["uuid"],
        "ceph_fsid": args["fsid"],
    }
    found = {name: _text(os.path.join(folder, name)) for name in wanted}
    if found["ready"] and found != wanted:
        raise tools.Failed(
            f"{folder} holds another OSD: move it away, or remove it if it is not needed any more",
            f"{found}",
        )
    return {"made": found == wanted}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Register it, check that nothing is lost, make the store.

    Args:
        args: ``number``, ``uuid``, ``fsid``, ``folder``, ``key``, ``keyring``, ``device`` ("" for a file),
            ``size_mib`` of the file, ``timeout_s`` to wait for the monitors.
    """
    number, folder, device = args["number"], args["folder"], args["device"]
    _register(args)
    if device:
        _refuse_foreign(device, args["uuid"])
    else:
        _refuse_small(os.path.dirname(folder), args["size_mib"])
    os.makedirs(folder, exist_ok=True)
    shutil.chown(folder, "ceph", "ceph")
    keyring = os.path.join(folder, "keyring")
    handle = os.open(keyring, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        shutil.chown(keyring, "ceph", "ceph")
        file.write(args["keyring"])
    block = os.path.join(folder, "block")
    if device and not os.path.lexists(block):
        os.symlink(device, block)
    if device:
        shutil.chown(os.path.realpath(device), "ceph", "ceph")
    tools.check(
        ["ceph-osd", "-i", str(number), "--mkfs", "--osd-uuid", args["uuid"], "--osd-data", folder,
         "--bluestore-block-size", str(args["size_mib"] << 20), "--no-mon-config", "--setuser", "ceph",
         "--setgroup", "ceph"],
        f"the store of osd.{number} cannot be made",
        timeout_s=120,
    )  # fmt: skip
    os.sync()


def _register(args: dict[str, Any]) -> None:
    """Make the monitors know it; refuse where it has already held data that is not here any more."""
    number, deadline = args["number"], time.monotonic() + args["timeout_s"]
    secret = json.dumps({"cephx_secret": args["key"]})
    create = ceph.mon({"prefix": "osd new", "uuid": args["uuid"], "id": number}, secret)
    steps = [ceph.mon({"prefix": "osd dump"})]
    while True:
        try:
            known = json.loads(ceph.ask(steps, "admin", ASK_S)[0])["osds"]
            break
        except tools.NotReady:
            if time.monotonic() >= deadline:
                raise
            time.sleep(tools.POLL_S)
    entry = next((one for one in known if one["osd"] == number), None)
    if entry and entry["uuid"] == args["uuid"] and entry["up_from"] > 0:
        raise tools.Failed(
            f"osd.{number} has held data of this cluster, and its store is not on this node any more; bring"
            f" the disk back. If it is lost: ceph osd destroy {number} --yes-i-really-mean-it, and apply"
            " again; it is filled from the other replicas"
        )
    said = ceph.answers_of([create], "admin", ASK_S)[0]
    if said["code"]:
        raise tools.Failed(f"the monitors do not take osd.{number}", said["err"])


def _refuse_foreign(device: str, uuid: str) -> None:
    """Raise where ``device`` holds anything but the beginnings of this very OSD."""
    try:
        with open(device, "rb") as file:
            head = file.read(len(LABEL) + 36)
    except OSError as error:
        raise tools.Failed(f"{device} cannot be read: {error.strerror}") from None
    if head.startswith(LABEL):
        if head[len(LABEL) :].decode(errors="replace") != uuid:
            raise tools.Failed(
                f"{device} holds another OSD; if that is not needed any more: wipefs -a {device}"
            )
        return
    probed = tools.run(["blkid", "-p", "-o", "export", device])
    # 2: nothing was found (blkid(8)).
    if probed.exit != 2:
        step = f"if it is not needed any more: wipefs -a {device}"
        raise tools.Failed(f"{device} is not empty; {step}", probed.words)


def _refuse_small(folder: str, size_mib: int) -> None:
    found = os.statvfs(folder)
    free_mib, all_mib = (found.f_bavail * found.f_frsize) >> 20, (found.f_blocks * found.f_frsize) >> 20
    if free_mib < size_mib + RESERVE * all_mib:
        raise tools.Failed(
            f"an OSD of {size_mib} MiB does not fit: the file system of {folder} has {free_mib} MiB left, and"
            f" {RESERVE:.0%} of its {all_mib} MiB have to stay free; make osd_size_gib smaller"
        )


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
