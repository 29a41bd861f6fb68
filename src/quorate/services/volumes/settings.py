"""Cinder's names, ports and options, its one configuration file, and what Pacemaker asks its workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from quorate.resources.base import Resource
from quorate.resources.file import directory, file
from quorate.services.base import Context, Database, Options, Pool
from quorate.services.openstack.health import access
from quorate.services.openstack.settings import common, endpoint
from quorate.services.openstack.units import alive_words
from quorate.services.rendering import render
from quorate.services.storage.guests import secret_uuid
from quorate.spec.model import Mode

CINDER, WORKER = "cinder", "cinder-volume"
"""The service and its account everywhere; the service at the storage."""
PORT = 8776
FOLDER, STATE = "/etc/cinder", "/var/lib/cinder"
CONFIG, TLS = f"{FOLDER}/cinder.conf", f"{FOLDER}/etcd"
DATABASE = Database(CINDER, CINDER)
BACKEND = "rbd"
"""The one backend, and its section."""
VOLUMES = Pool("volumes", client=CINDER, owner=CINDER)
"""Where volumes are. No keyring on computes: libvirt has the key as a secret (`storage.guests`)."""
IMAGES = Pool("images", client=CINDER, owner=CINDER, read_only=True)
"""What volumes are cloned from, copy on write."""
BACKUPS = Pool("backups", client="cinder-backup", owner=CINDER)
ETCD, ETCD_PORT = "etcd", 2379
TYPE = "volumev3"


class CinderOptions(Options):
    """What can differ from one Cinder to the next. Times in seconds."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Worker processes of the API on each controller, about 160 MB each."""
    threads: Annotated[int, Field(ge=3, le=64)] = 8
    """Threads of each process."""
    request_limit_s: Annotated[int, Field(ge=30, le=600)] = 90
    """A worker that is longer at one request is ended."""
    database_timeout_s: Annotated[int, Field(ge=2, le=600)] = 20
    """How long one answer of the database may take before the connection is given up."""
    report_interval_s: Annotated[int, Field(ge=1, le=60)] = 5
    """How often each worker says that it lives."""
    service_down_s: Annotated[int, Field(ge=5, le=600)] = 20
    """A worker that has said nothing for so long is down: it gets nothing to do."""
    backup: Literal["ceph", "swift", "none"] = "ceph"
    """Where backups go: a pool of their own, the user's containers in Swift, or nowhere: no such service."""
    quota_volumes: Annotated[int, Field(ge=-1)] = 10
    """Volumes that a project may have where nothing else was said for it; -1: any number."""
    quota_snapshots: Annotated[int, Field(ge=-1)] = 10
    quota_gib: Annotated[int, Field(ge=-1)] = 1000
    """GiB of volumes and snapshots together."""


class CinderVolumeOptions(Options):
    """What can differ from one storage half to the next."""

    storage_timeout_s: Annotated[int, Field(ge=2, le=600)] = 10
    """How long a connection to the storage cluster may take to come about."""
    clone_depth: Annotated[int, Field(ge=0, le=100)] = 5
    """A clone of clones of clones so deep is made flat; 0: volumes are copied."""
    oversubscription: Annotated[float, Field(ge=1, le=1000)] = 20.0
    """How many GiB may be promised for each GiB that there is: what was never written takes no room."""
    reserved_percent: Annotated[int, Field(ge=0, le=90)] = 5
    """Of the pool: no volume is made where less is free."""


def cinder_options(ctx: Context) -> CinderOptions:
    """Cinder's own options, for its half at the storage too."""
    return cast(CinderOptions, ctx.options[CINDER])


def backend_host(ctx: Context, node: str) -> str:
    """What the worker on ``node`` is called among Cinder's services."""
    alone = ctx.modes.get(WORKER) is Mode.ACTIVE_PASSIVE
    return f"{ctx.cluster.cluster if alone else node}@{BACKEND}"


def configured(ctx: Context, node: str) -> tuple[Resource, ...]:
    """Cinder's files on ``node``, the same for all of its programs; the configuration is the last."""
    options, os = cinder_options(ctx), common(ctx)
    worker = cast(CinderVolumeOptions, ctx.options.get(WORKER, CinderVolumeOptions()))
    text = render(
        "cinder/cinder.conf.j2",
        os=os,
        account=CINDER,
        node=node,
        address=ctx.cluster.address(node),
        state=STATE,
        database=os.database(DATABASE.name, DATABASE.user, timeout_s=options.database_timeout_s),
        images=endpoint(ctx, "glance"),
        coordination=_coordination(ctx),
        cluster=ctx.cluster.cluster,
        alone=ctx.modes.get(WORKER) is Mode.ACTIVE_PASSIVE,
        backend=BACKEND,
        volumes=VOLUMES,
        backups=BACKUPS,
        secret_uuid=secret_uuid(ctx.secrets, VOLUMES.client),
        **options.model_dump(),
        **worker.model_dump(),
    )
    config = file(CONFIG, text, mode=0o640, group=CINDER, secret=True)
    return (
        directory(FOLDER, mode=0o750, group=CINDER),
        directory(f"{STATE}/tmp", owner=CINDER, group=CINDER),
        *_tls(ctx),
        config,
    )


def alive(ctx: Context, binary: str) -> tuple[str, ...]:
    """What Pacemaker asks about a worker: whether Cinder hears of it, and it has the message broker."""
    return alive_words(CONFIG, endpoint(ctx, CINDER) + "/v3/os-services", binary, broker=True)


def asking(ctx: Context, node: str) -> dict[str, Any]:
    """What `node.cinder` has to know."""
    return {
        "url": f"http://{ctx.cluster.address(node)}:{PORT}/v3",
        "access": access(ctx),
        "timeout_s": 4.0,
    }


def _coordination(ctx: Context) -> str:
    """Tooz's URL (its etcd3gw driver): HAProxy on the same node leads to a member that has a quorum.

    A request that is not answered within ``timeout`` fails. A lock whose owner died is free after
    ``lock_timeout``; signs of life go out every half of it, and one that is lost is given again in time.
    """
    if ETCD not in ctx.options:
        return ""
    words = {
        "api_version": "v3",
        "ca_cert": f"{TLS}/ca.crt",
        "cert_cert": f"{TLS}/client.crt",
        "cert_key": f"{TLS}/client.key",
        "timeout": "8",
        "lock_timeout": "30",
        "membership_timeout": "30",
    }
    return f"etcd3+https://127.0.0.1:{ETCD_PORT}?" + "&".join(
        f"{key}={value}" for key, value in words.items()
    )


def _tls(ctx: Context) -> Iterable[Resource]:
    """With what Cinder shows etcd who it is."""
    if ETCD not in ctx.options:
        return
    certificate, key = ctx.pki.certificate("etcd-client-cinder", (), (CINDER,), client=True)
    yield directory(TLS, mode=0o750, group=CINDER)
    yield file(f"{TLS}/ca.crt", ctx.pki.ca)
    yield file(f"{TLS}/client.crt", certificate)
    yield file(f"{TLS}/client.key", key, mode=0o640, group=CINDER, secret=True)
