"""The rings of Swift on this node: whether they are as they should be, and making them so.

Usage: swift-rings check|fix < REQUEST, or swift-rings hash NEW-SWIFT.CONF. Written by quorate; the first two
run as the account swift. The request is JSON:
``node`` (this one), ``keeper`` (who changes rings), ``peers`` (node to address: all that keep copies),
``folder``, ``part_power``, ``replicas``, ``min_part_hours`` and ``rings``: name to devices, each with ``ip``,
``port``, ``device``, ``zone`` and ``weight``.

One node, the keeper, changes the rings, with Swift's own builder; everybody else takes builders and rings
from it, byte by byte. So every node has all that is needed to go on, and any of them can become the keeper. A
ring is never made anew where one might still be: that would scatter the objects of the old one.
"""

import configparser
import contextlib
import gzip
import importlib
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MODULE = "rings"
"""Of the rsync daemon on every node that keeps copies."""
ANSWER_S, PEERS_S, POLL_S = 4, 60.0, 0.5
"""How long one peer may take to answer, how long all of them are waited for, and how often they are asked."""
UNEVEN_PERCENT = 5.0
"""A ring that is further from its weights than this is looked at again once parts may move (Swift's own
figure, swift-ring-builder(1), "rebalance")."""
KNOWN_RING = "/etc/swift/rings/object.ring.gz"
"""Where it is, objects may be."""
WORK = ".work-"
"""What temporary folders are called."""
OVERLOAD = 10.0
"""How far beyond its weight a device may be filled, as a factor, so that replicas stay in different zones: a
lost node then never takes two of three. What is small fills up first, and is said to be nearly full."""
SEED = "quorate"
"""Of the builder's random numbers: the same devices give the same ring."""

Request = dict[str, Any]


class Wrong(Exception):
    """It cannot be made right: one sentence for people."""


def head(path: Path) -> dict[str, Any]:
    """What a ring says of itself: ``devs``, ``part_shift``, ``replica_count``, ``version`` (format R1NG)."""
    with gzip.open(path, "rb") as file:
        magic, kind, size = struct.unpack("!4sHI", file.read(10))
        if magic != b"R1NG" or kind != 1:
            raise Wrong(f"{path} is no ring of the known format")
        found: dict[str, Any] = json.loads(file.read(size))
        return found


def version(path: Path) -> int:
    """How often the builder of a ring was changed."""
    return int(head(path).get("version", 0))


def devices(listed: list[Any]) -> dict[tuple[str, int, str], tuple[int, float]]:
    """(address, port, device) to (zone, weight). A ring has holes where devices were."""
    return {
        (dev["ip"], int(dev["port"]), dev["device"]): (int(dev["zone"]), float(dev["weight"]))
        for dev in listed
        if dev is not None
    }


def ring(request: Request, name: str) -> Path:
    """Path of a ring."""
    return Path(request["folder"], f"{name}.ring.gz")


def builder(request: Request, name: str) -> Path:
    """Path of the builder that a ring is changed with."""
    return Path(request["folder"], f"{name}.builder")


def later(request: Request, name: str) -> Path:
    """Path of the note that a ring needs another step, with the Unix time from which on it may be taken."""
    return Path(request["folder"], f"{name}.later")


def wrong_here(request: Request) -> list[str]:
    """What is not as it should be with this node's own copies, in words."""
    found = []
    for name, wanted in request["rings"].items():
        if not (ring(request, name).exists() and builder(request, name).exists()):
            found.append(f"{name}: there is no ring yet")
            continue
        now = head(ring(request, name))
        if 32 - now["part_shift"] != request["part_power"]:
            found.append(f"{name}: its part_power is {32 - now['part_shift']}")
        if now["replica_count"] != request["replicas"]:
            found.append(f"{name}: {now['replica_count']} replicas, not {request['replicas']}")
        has, should = devices(now["devs"]), devices(wanted)
        added, gone = sorted(set(should) - set(has)), sorted(set(has) - set(should))
        moved = sorted(key for key in set(has) & set(should) if has[key] != should[key])
        for word, keys in (("lacks", added), ("still has", gone), ("has another weight or zone for", moved)):
            if keys:
                found.append(f"{name}: {word} " + ", ".join(f"{ip}/{device}" for ip, _, device in keys))
    return found


def due(request: Request) -> list[str]:
    """Rings of which another step of a change may be taken now."""
    found = []
    for name in request["rings"]:
        with contextlib.suppress(FileNotFoundError):
            if float(later(request, name).read_text(encoding="ascii")) <= time.time():
                found.append(name)
    return found


def copy(request: Request, peer: str, into: str, *, dry: bool = False) -> str:
    """Take the rings of ``peer`` into a folder; returns what differed, a line a file.

    Raises:
        Wrong: it does not answer.
    """
    argv = ["rsync", "--recursive", "--times", "--checksum", "--itemize-changes", "--omit-dir-times"]
    argv += ["--include=*.builder", "--include=*.ring.gz", "--exclude=*", f"--timeout={ANSWER_S}"]
    argv += [f"--contimeout={ANSWER_S}", "--no-motd", *(["--dry-run"] if dry else ["--fsync"])]
    source = f"rsync://{request['peers'][peer]}/{MODULE}/"
    done = subprocess.run([*argv, source, into], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[:300]
        raise Wrong(f"{peer} does not hand out its rings: {said}")
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith(">f"))


def check(request: Request) -> list[str]:
    """Everything that is wrong, for people; nothing where all is well."""
    found = wrong_here(request)
    if found:
        return found
    if request["node"] == request["keeper"]:
        return [f"{name}: the next step of its last change may be taken" for name in due(request)]
    try:
        return copy(request, request["keeper"], request["folder"] + "/", dry=True).splitlines()
    except Wrong as error:
        return [str(error)]


def fix(request: Request) -> str:
    """Make it right; returns what was done. Raises Wrong."""
    os.umask(0o022)
    for entry in Path(request["folder"]).glob(f"{WORK}*"):  # of one that was interrupted
        shutil.rmtree(entry)
    if request["node"] != request["keeper"]:
        return take(request, request["keeper"])
    told = []
    names = list(request["rings"])
    lost = [name for name in names if not builder(request, name).exists()]
    if lost:
        told.append(adopt(request))
    steps = due(request)
    told += [change(request, name, again=name in steps) for name in names]
    return "; ".join(line for line in told if line)


def take(request: Request, peer: str) -> str:
    """Copy the rings of ``peer`` here, unless they are older than what is here."""
    with tempfile.TemporaryDirectory(dir=request["folder"], prefix=WORK) as folder:
        if not copy(request, peer, folder + "/"):
            raise Wrong(f"{peer} has no rings to hand out")
        for name in request["rings"]:
            theirs, mine = Path(folder, f"{name}.ring.gz"), ring(request, name)
            if mine.exists() and version(theirs) < version(mine):
                raise Wrong(
                    f"the {name} ring of {peer} is older than the one here: look at both with"
                    f" swift-ring-builder {builder(request, name)}; copy the newer pair to {peer}"
                )
        for entry in sorted(Path(folder).iterdir()):  # builders come before rings
            entry.rename(Path(request["folder"], entry.name))
    sync(Path(request["folder"]))
    return f"took the rings of {peer}"


def adopt(request: Request) -> str:
    """The keeper has no builders: take the newest of the others; "" where nobody has any.

    Raises:
        Wrong: somebody does not answer, and so it is not known whether there are rings already.
    """
    ends = time.monotonic() + PEERS_S
    newest, who, silent = -1, "", dict.fromkeys(request["peers"], "")
    silent.pop(request["node"], None)
    while silent:
        for peer in list(silent):
            try:
                with tempfile.TemporaryDirectory(dir=request["folder"], prefix=WORK) as folder:
                    copy(request, peer, folder + "/")
                    rings = [Path(folder, f"{name}.ring.gz") for name in request["rings"]]
                    if all(path.exists() for path in rings):
                        newest, who = max((newest, who), (min(version(path) for path in rings), peer))
                del silent[peer]
            except Wrong as error:
                silent[peer] = str(error)
        if silent and time.monotonic() > ends:
            reasons = "; ".join(silent.values())
            raise Wrong(f"whether there are rings already is not known, so none are made: {reasons}")
        if silent:
            time.sleep(POLL_S)
    return take(request, who) if who else ""


def change(request: Request, name: str, *, again: bool) -> str:
    """Bring one ring to what is wanted, with Swift's own builder; returns what was done.

    Raises:
        Wrong: parts were moved a short while ago and must not move again yet; or the builder refuses.
    """
    swift = importlib.import_module("swift.common.ring")
    path = builder(request, name)
    if path.exists():
        its = swift.RingBuilder.load(str(path))
    else:
        its = swift.RingBuilder(request["part_power"], request["replicas"], request["min_part_hours"])
    if its.part_power != request["part_power"]:
        raise Wrong(
            f"the {name} ring was made with part_power {its.part_power}, which cannot be changed;"
            f" say part_power: {its.part_power} in cluster.yaml"
        )
    new = not its.ever_rebalanced
    edited = edit(its, request, name)
    if not (new or edited or again):
        written = ring(request, name)
        if not written.exists() or version(written) != its.version:
            store(its, request, name)  # of a change that was interrupted between the two files
        return ""
    before = 0.0 if new else its.get_balance()
    try:
        left_s = int(its.min_part_seconds_left)
        moved, balance, removed = its.rebalance(seed=SEED)
        its.validate()
    except Exception as error:  # noqa: BLE001 - Swift's own words, for people
        raise Wrong(f"the {name} ring cannot be built: {error}") from None
    if edited and not new and not moved and not removed and left_s > 0:
        raise Wrong(
            f"the {name} ring was changed a short while ago: its parts may move again in"
            f" {math.ceil(left_s / 60)} minutes; run the apply again then"
        )
    if again and not edited and abs(before - balance) < 1:
        later(request, name).unlink()
        return f"{name}: cannot be more even than it is"
    note(request, name, balance, its.min_part_hours)
    store(its, request, name)
    return f"{name}: {moved} parts placed, {balance:.1f} % from even"


def edit(its: Any, request: Request, name: str) -> bool:
    """Give the builder the wanted devices, weights, zones and replicas; whether parts may have to move."""
    wanted, edited = devices(request["rings"][name]), False
    its.change_min_part_hours(request["min_part_hours"])
    if its.overload != OVERLOAD:
        its.set_overload(OVERLOAD)
        edited = True
    if its.replicas != request["replicas"]:
        its.set_replicas(request["replicas"])
        edited = True
    known = {(dev["ip"], int(dev["port"]), dev["device"]): dev for dev in its.devs if dev is not None}
    for key, (zone, weight) in sorted(wanted.items()):
        ip, port, device = key
        if key not in known:
            address = {"ip": ip, "port": port, "replication_ip": ip, "replication_port": port}
            its.add_dev(
                {"region": 1, "zone": zone, **address, "device": device, "weight": weight, "meta": ""}
            )
            edited = True
            continue
        dev = known[key]
        if int(dev["zone"]) != zone:
            its.set_dev_zone(dev["id"], zone)
            edited = True
        if float(dev["weight"]) != weight:
            its.set_dev_weight(dev["id"], weight)
            edited = True
    for key in sorted(set(known) - set(wanted)):
        its.remove_dev(known[key]["id"])
        edited = True
    return edited


def note(request: Request, name: str, balance: float, hours: int) -> None:
    """An uneven ring may be improved once its parts may move again, in an hour at the earliest."""
    path = later(request, name)
    if balance > UNEVEN_PERCENT:
        path.write_text(f"{time.time() + max(hours, 1) * 3600:.0f}", encoding="ascii")
    else:
        path.unlink(missing_ok=True)


def store(its: Any, request: Request, name: str) -> None:
    """Builder and ring on the disk: the builder first, because the ring can be made from it again."""
    folder = request["folder"]
    here = Path.cwd()
    with tempfile.TemporaryDirectory(dir=folder, prefix=WORK) as work:
        os.chdir(work)  # Swift puts its temporary file into the working folder
        try:
            its.save("builder")
            its.get_ring().save("ring")
        finally:
            os.chdir(here)
        for part, path in (("builder", builder(request, name)), ("ring", ring(request, name))):
            made = Path(work, part)
            made.chmod(0o644)
            sync(made)
            made.rename(path)
    sync(Path(folder))


def sync(path: Path) -> None:
    """The content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def same_hash(new: str, old: str = "/etc/swift/swift.conf", known: str = KNOWN_RING) -> None:
    """Raises Wrong where ``new`` has another [swift-hash] than ``old``, and there may be objects already."""
    values = []
    for path in (old, new):
        parser = configparser.RawConfigParser()
        parser.read(path)
        values.append(dict(parser["swift-hash"]) if parser.has_section("swift-hash") else {})
    if Path(known).exists() and values[0] != values[1]:
        raise Wrong(
            f"{old} has another swift_hash_path_prefix or suffix: with a new one no object would be found any"
            " more. Put its two values back as the cluster's secrets swift-hash-prefix and swift-hash-suffix"
        )


def main() -> int:
    """0: all is well; 1: it is not, and says what."""
    try:
        if sys.argv[1:2] == ["hash"]:
            same_hash(sys.argv[2])
            return 0
        request = json.load(sys.stdin)
        if sys.argv[1:] == ["check"]:
            said = "\n".join(check(request))
            sys.stdout.write((said or "as they should be") + "\n")
            return 1 if said else 0
        sys.stdout.write(fix(request) + "\n")
        return 0
    except Wrong as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
