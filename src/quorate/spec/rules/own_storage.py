"""Rules on the storage and the files of services of the user's own."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.catalogue import Catalogue
from quorate.spec.findings import Finding, warning
from quorate.spec.model import Cluster, Mode, ServiceSpec
from quorate.spec.own import below, mode_of, nodes_of
from quorate.spec.rules.own_things import mine, place

SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
)
"""Mounting over or in these takes the host apart, or hides from it what it needs."""
WHOLE = ("/home", "/media", "/mnt", "/opt", "/srv", "/tmp", "/var", "/var/lib", "/var/log")
"""Nobody mounts over these, but below them."""
STABLE = "/dev/disk/by-"


def storage(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """Shared storage: one node at a time, each of which can be switched off; nothing of it said twice."""
    seen: list[tuple[str, ServiceSpec]] = []
    for name, spec in mine(cluster, catalogue):
        if spec.storage is None:
            continue
        where = place(name, "storage")
        if mode_of(spec) is Mode.ACTIVE_ACTIVE:
            yield Finding(
                where,
                "active/active would mount it on several nodes at once, which destroys it",
                "say mode: active/passive, or leave the storage out and replicate the content",
            )
        for node in nodes_of(cluster, spec):
            if cluster.nodes[node].bmc is None:
                yield Finding(
                    where,
                    f"{node} has no BMC: nobody could make sure that it has stopped writing",
                    f"add nodes.{node}.bmc, or leave {node} out of services.{name}.nodes",
                )
        yield from _paths(name, spec)
        for other, before in seen:
            assert before.storage is not None
            if before.storage.device == spec.storage.device:
                yield Finding(
                    place(name, "storage", "device"),
                    f"{other} has {spec.storage.device} already, and a device is mounted once",
                    "give each service a device of its own",
                )
            one, two = before.storage.mount, spec.storage.mount
            if below(one, two) or below(two, one):
                yield Finding(
                    place(name, "storage", "mount"),
                    f"{two} and the mount of {other} ({one}) are in one another",
                    "mount them side by side",
                )
        seen.append((name, spec))


def _paths(name: str, spec: ServiceSpec) -> Iterator[Finding]:
    assert spec.storage is not None
    device, mount = spec.storage.device, spec.storage.mount
    if not device.startswith("/dev/") or dotted(device):
        yield Finding(
            place(name, "storage", "device"), f"{device} is no block device", "name one: /dev/disk/by-id/…"
        )
    elif not device.startswith(STABLE) and not device.startswith("/dev/mapper/"):
        yield warning(
            place(name, "storage", "device"),
            f"{device} may be another disk after the next start, or on the next node",
            "name it by a path that stays: /dev/disk/by-id/…",
        )
    if dotted(mount) or mount in WHOLE or any(below(mount, one) for one in SYSTEM):
        yield Finding(
            place(name, "storage", "mount"),
            f"{mount} is the system's",
            f"mount it on a folder of its own: /srv/{name}",
        )


def files(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """A file has one content, one owner, and a place that is its service's."""
    owners: dict[str, str] = {}
    mounts = {name: spec.storage.mount for name, spec in mine(cluster, catalogue) if spec.storage is not None}
    for name, spec in mine(cluster, catalogue):
        for path, its in spec.files.items():
            where = place(name, "files", path)
            if (its.content is None) == (its.source is None):
                said = "neither content nor source" if its.content is None else "content and source"
                yield Finding(where, f"it has {said}", "say exactly one of them")
            if dotted(path):
                yield Finding(where, "its path has . or .. in it", "write it in full")
            if path in owners:
                yield Finding(where, f"it is a file of {owners[path]} too", "let one of them have it")
            owners.setdefault(path, name)
            for other, mount in mounts.items():
                if other != name and below(path, mount):
                    yield Finding(
                        where,
                        f"it is on the storage of {other}, which is often on another node",
                        f"put it elsewhere, or under services.{other}.files",
                    )
            if path == mounts.get(name):
                yield Finding(where, "it is the mount itself", "name a file below it")


def dotted(path: str) -> bool:
    """Whether ``path`` leads anywhere else than it says."""
    return any(part in (".", "..") for part in path.split("/"))


RULES = (storage, files)
