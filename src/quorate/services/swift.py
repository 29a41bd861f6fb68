"""The object store: Swift with three replicas in three zones, and its API on every controller at once.

The mode is that of the API: active/active. The storage nodes bring their own availability (rings,
replicators); systemd runs them, Pacemaker does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, cast

from pydantic import Field, StringConstraints

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import daemon_clone
from quorate.resources.background import background
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.command import command
from quorate.resources.file import directory, file, link
from quorate.resources.http import http
from quorate.resources.unit import unit
from quorate.services.base import (
    READY_S,
    Account,
    CatalogueEntry,
    Context,
    Frontend,
    HealthProbe,
    Offers,
    Options,
    Service,
    VerifyStep,
)
from quorate.services.clients import objects
from quorate.services.day import objects as day_objects
from quorate.services.day.contract import Step
from quorate.services.objects import layout, units
from quorate.services.objects.judge import judge_proxy, judge_storage
from quorate.services.openstack.health import access
from quorate.services.openstack.settings import common
from quorate.services.openstack.units import API_CHECK, managed, service_unit
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import AbsolutePath, Cluster, Mode

PORT, BACKEND_PORT = 8080, 8085
RESELLER = "ResellerAdmin"
"""Whoever has this role may work in every account (Swift's keystoneauth)."""
"""Of the API: on the virtual IP, and on each controller, where Horizon has 8080."""
UNIT = "swift-proxy.service"
ETC = "/etc/swift"
PROGRAM, CHECK = "/usr/local/lib/quorate/swift-rings", "/usr/local/lib/quorate/swift-proxy-check"
RINGS_READY = "swift: rings"
FILTERS = (
    ("catch_errors", "catch_errors"), ("gatekeeper", "gatekeeper"), ("listing_formats", "listing_formats"),
    ("bulk", "bulk"), ("tempurl", "tempurl"), ("formpost", "formpost"), ("staticweb", "staticweb"),
    ("copy", "copy"), ("container-quotas", "container_quotas"), ("account-quotas", "account_quotas"),
    ("slo", "slo"), ("dlo", "dlo"), ("symlink", "symlink"),
)  # fmt: skip
"""Parts of the proxy's pipeline that need no setting, with their entry points."""

DeviceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
Devices = dict[DeviceName, Weight]


class SwiftOptions(Options):
    """What can differ from one object store to the next."""

    devices: Devices = Field(default_factory=lambda: {"d1": 100.0})
    """Name below ``root`` to weight, on every storage node. Weight 0 empties a device."""
    exceptions: dict[str, Devices] = Field(default_factory=dict)
    """Node to its devices, where they are not those of all."""
    zones: dict[str, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(default_factory=dict)
    """Node to zone, where several share one (a rack). Otherwise every node is a zone of its own."""
    root: AbsolutePath = "/srv/node"
    mounted: bool = False
    """Every device is a disk that is mounted at its folder: where it is not, it is refused."""
    part_power: Annotated[int, Field(ge=4, le=20)] = 10
    """2^n partitions, for good: 10 is for up to 30 devices, 15 for a thousand."""
    min_part_hours: Annotated[int, Field(ge=0, le=168)] = 1
    """No second replica of a partition moves within so many hours; one has to be copied meanwhile."""
    proxy_workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of the API on each controller, about 60 MB each."""
    storage_workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of each of the three servers on a storage node, about 45 MB each."""
    connect_timeout_s: Annotated[float, Field(ge=0.1, le=10)] = 0.5
    """A storage node that takes no connection within this is passed over."""
    next_replica_s: Annotated[float, Field(ge=0.05, le=10)] = 0.3
    """A read that is not answered within this asks the next replica, too."""
    read_timeout_s: Annotated[float, Field(ge=0.5, le=60)] = 2.0
    write_timeout_s: Annotated[float, Field(ge=1, le=300)] = 10.0
    """A storage node that does not take, or not confirm, a write within this has failed."""
    post_quorum_s: Annotated[float, Field(ge=0, le=10)] = 0.5
    """When two of three have confirmed a write, the third is waited for no longer than this."""
    client_timeout_s: Annotated[float, Field(ge=5, le=600)] = 60.0
    replicate_every_s: Annotated[int, Field(ge=5, le=3600)] = 30
    update_every_s: Annotated[int, Field(ge=5, le=3600)] = 60
    """How often updates of container listings that could not be made are tried again."""
    replication_max_age_min: Annotated[int, Field(ge=1, le=10080)] = 15
    """``status`` warns when the last pass over all replicas is older. A pass over full disks takes hours."""
    sweep_every_min: Annotated[int, Field(ge=5, le=10080)] = 60
    """Pause between two sweeps: audit of every replica, removal of deleted accounts and expired objects."""
    audited_per_s: Annotated[int, Field(ge=1, le=10_000)] = 20
    reserve_percent: Annotated[int, Field(ge=0, le=50)] = 2
    """Of every device stays free."""
    reclaim_days: Annotated[int, Field(ge=1, le=365)] = 7
    """A node that was away for longer must come back with empty devices: it has objects that were deleted."""


class Swift(Service):
    """Proxies under Pacemaker behind HAProxy; storage servers and replicators under systemd."""

    name = "swift"
    summary = "Objects: Swift, three replicas on the storage nodes, the API on every controller"
    memory_mib = 350
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("keystone", "memcached")
    packages = ("swift", "swift-proxy", "python3-keystonemiddleware", "python3-memcache", "rsync", "curl")
    storage_packages = (
        "swift", "swift-account", "swift-container", "swift-object", "swift-object-expirer", "rsync"
    )  # fmt: skip
    units = (UNIT, *units.SERVERS, *units.BACKGROUND, units.RSYNC)
    Options = SwiftOptions

    @classmethod
    def packages_on(cls, cluster: Cluster, node: str) -> Iterable[str]:
        """The API's on controllers, the rest on storage nodes."""
        yield from cls.packages if node in cluster.controllers else ()
        yield from cls.storage_packages if node in cluster.storage_nodes else ()

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The front end, the account, the entry in the catalogue, and the clone. Raises SpecError."""
        _devices(cluster, options)
        clone = daemon_clone(self.name, UNIT, (CHECK,))
        frontend = Frontend(self.name, port=PORT, backend_port=BACKEND_PORT, check=API_CHECK)
        entry = CatalogueEntry(self.name, "swift", "object-store", PORT, "/v1/AUTH_%(project_id)s")
        return Offers(
            frontends=(frontend,),
            # The role that proxy-server.conf.j2 names has to be there before anybody can be given it.
            accounts=(Account(self.name, ("admin", "service", RESELLER)),),
            catalogue=(entry,),
            fragment=Fragment(resources=(clone,)),
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files, rings, storage servers, the API; proof that each answers."""
        storage = ctx.cluster.storage_nodes
        for node in dict.fromkeys((*storage, *ctx.controllers)):
            for resource in _common(ctx):
                yield Placed(Stage.CONFIG, node, resource)
            if node in storage:
                for resource in _storage(ctx, node):
                    yield Placed(Stage.CONFIG, node, resource)
            # Everybody else takes what the keeper has made in the stage before.
            stage = Stage.CONFIG if node == storage[0] else Stage.MEMBERSHIP
            yield Placed(stage, node, _rings(ctx, node))
            if node in storage:
                yield from _running(ctx, node)
            if node in ctx.controllers:
                for resource in _proxy(ctx, node):
                    yield Placed(Stage.CONFIG, node, resource)
                url = f"http://{ctx.cluster.address(node)}:{BACKEND_PORT}/info"
                yield Placed(Stage.READY, node, http("swift: the API works", url, wait_s=READY_S))

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Every storage node's servers, devices and rings; an account through every controller's API."""
        options = cast(SwiftOptions, ctx.options[self.name])
        found = _devices(ctx.cluster, options)
        judge = partial(
            judge_storage,
            stale_s=options.replication_max_age_min * 60.0,
            reserve_percent=options.reserve_percent,
            zones=len({device.zone for device in found if device.weight > 0}),
        )
        for node in ctx.cluster.storage_nodes:
            args = {
                "address": ctx.cluster.address(node),
                "ports": {ring.name: ring.port for ring in layout.RINGS},
                "peers": {
                    peer: ctx.cluster.address(peer) for peer in ctx.cluster.storage_nodes if peer != node
                },
                "root": options.root,
                "devices": [device.name for device in found if device.node == node],
                "mounted": options.mounted,
                "units": [*units.BACKGROUND, units.RSYNC, units.TIMER],
                "timeout_s": 2.0,
            }
            yield HealthProbe(self.name, node, "swift", args, judge)
        for node in ctx.controllers:
            args = {
                "url": f"http://{ctx.cluster.address(node)}:{BACKEND_PORT}",
                "access": access(ctx),
                "timeout_s": 4.0,
            }
            yield HealthProbe(self.name, node, "swift_proxy", args, judge_proxy)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """An object stored, fetched and deleted through the virtual IP."""
        yield VerifyStep(
            self.name, "store, fetch and delete an object", objects.store_and_fetch, timeout_s=60
        )

    def day(self, ctx: Context) -> Iterable[Step]:
        """The tenant's objects."""
        return day_objects.steps(self.name)


def _devices(cluster: Cluster, options: SwiftOptions) -> tuple[layout.Device, ...]:
    return layout.devices(cluster, options.devices, options.exceptions, options.zones)


def _common(ctx: Context) -> Iterable[Resource]:
    """What every node with a part of Swift has."""
    text = render(
        "swift/swift.conf.j2",
        prefix=ctx.secrets.password("swift-hash-prefix"),
        suffix=ctx.secrets.password("swift-hash-suffix"),
    )
    program = (TEMPLATES / "swift" / "rings.py").read_text()
    yield directory(ETC, mode=0o750, group="swift")
    yield file(PROGRAM, program, mode=0o755, validate=("python3", "-m", "py_compile", "{}"))
    yield directory(layout.FOLDER, owner="swift", group="swift")
    for ring in layout.RINGS:
        yield link(f"{ETC}/{ring.name}.ring.gz", f"rings/{ring.name}.ring.gz")
    yield file(
        f"{ETC}/swift.conf",
        text,
        mode=0o640,
        group="swift",
        secret=True,
        validate=("python3", PROGRAM, "hash", "{}"),
        after=(f"file:{PROGRAM}",),
    )


def _rings(ctx: Context, node: str) -> Resource:
    options = cast(SwiftOptions, ctx.options[Swift.name])
    found = _devices(ctx.cluster, options)
    asked = json.dumps(
        layout.request(
            ctx.cluster,
            node,
            found,
            part_power=options.part_power,
            min_part_hours=options.min_part_hours,
        )
    )
    return command(
        RINGS_READY,
        check=("python3", PROGRAM, "check"),
        check_stdin=asked,
        fix=("python3", PROGRAM, "fix"),
        stdin=asked,
        user="swift",
        check_timeout_s=30,
        timeout_s=300,
    )


def _storage(ctx: Context, node: str) -> Iterable[Resource]:
    """Devices, configuration and units of a storage node; rsync runs, because rings are taken through it."""
    options = cast(SwiftOptions, ctx.options[Swift.name])
    address, os = ctx.cluster.address(node), common(ctx)
    yield directory(options.root)
    for device in _devices(ctx.cluster, options):
        if device.node == node:
            yield from _device(f"{options.root}/{device.name}", mounted=options.mounted)
    values = options.model_dump()
    for ring in layout.RINGS:
        text = render(
            "swift/storage.conf.j2",
            ring=ring,
            address=address,
            workers=options.storage_workers,
            **values,
        )
        yield file(units.config(ring.name), text, group="swift")
    yield file(units.EXPIRER_CONFIG, render("swift/object-expirer.conf.j2", os=os), group="swift")
    peers = dict.fromkeys((*ctx.cluster.storage_nodes, *ctx.controllers))
    text = render(
        "swift/rsyncd.conf.j2",
        address=address,
        peers=[ctx.cluster.address(peer) for peer in peers],
        rings=[ring.name for ring in layout.RINGS],
        root=options.root,
        folder=layout.FOLDER,
        connections=4 * len(peers),
    )
    yield file(units.RSYNC_CONFIG, text)
    for name in units.UNUSED:
        yield unit(name, enabled=False, active=False)
    rsync = units.rsync()
    for daemon in (rsync, *units.servers(), *units.background()):
        yield from daemon.known()
    yield from units.sweep(options.sweep_every_min)
    yield rsync.running(
        serial=False,
        after=(f"file:{units.RSYNC_CONFIG}", f"unit:{rsync.unit}", f"directory:{layout.FOLDER}"),
    )


def _device(path: str, *, mounted: bool) -> Iterable[Resource]:
    if not mounted:
        yield directory(path, mode=0o750, owner="swift", group="swift")
        return
    there = command(f"{path} is mounted", check=("mountpoint", "-q", "--", path))
    yield there
    yield directory(path, mode=0o750, owner="swift", group="swift", after=(there.id,))


def _running(ctx: Context, node: str) -> Iterable[Placed]:
    """All of a storage node is begun at once, and waited for, or restarted, node by node, later."""
    rings = f"command:{RINGS_READY}"
    for daemon in (*units.servers(), *units.background()):
        # The keeper made the rings in an earlier stage.
        after = () if node == ctx.cluster.storage_nodes[0] else (rings,)
        yield Placed(Stage.MEMBERSHIP, node, background(daemon.unit, after=after))
    for daemon in units.servers():
        yield Placed(Stage.DATA, node, daemon.running(serial=True))
    for daemon in units.background():
        yield Placed(Stage.DATA, node, daemon.running(serial=False))
    for ring in layout.RINGS:
        url = f"http://{ctx.cluster.address(node)}:{ring.port}/healthcheck"
        yield Placed(Stage.READY, node, http(f"swift: the {ring.name} server answers", url))


def _proxy(ctx: Context, node: str) -> Iterable[Resource]:
    """The API's configuration, its check and its unit, which Pacemaker starts."""
    options = cast(SwiftOptions, ctx.options[Swift.name])
    address = ctx.cluster.address(node)
    text = render(
        "swift/proxy-server.conf.j2",
        os=common(ctx),
        account=Swift.name,
        address=address,
        port=BACKEND_PORT,
        workers=options.proxy_workers,
        filters=FILTERS,
        **options.model_dump(),
    )
    config = file(f"{ETC}/proxy-server.conf", text, mode=0o640, group="swift", secret=True)
    check = render("swift/proxy-check.j2", address=address, port=BACKEND_PORT)
    yield file(CHECK, check, mode=0o755, validate=("sh", "-n", "{}"))
    unit_text = service_unit(
        description="OpenStack Swift: the API",
        account="swift",
        command=("/usr/bin/swift-proxy-server", str(config.args["path"])),
        restart_s="200ms",
    )
    yield from managed(UNIT, unit_text, files=(config,))
