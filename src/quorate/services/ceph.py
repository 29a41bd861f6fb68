"""Replicated storage: Ceph from Debian's packages, without containers, LVM or an orchestrator.

It brings its own availability: monitors vote, OSDs replicate and heal. So systemd runs the daemons, at boot
and for ever, and Pacemaker does not touch them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import Field

from quorate.node.ceph import PROGRAM
from quorate.resources.background import background
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.secrets import cephx
from quorate.services.base import Context, HealthProbe, Offers, Options, Service, VerifyStep
from quorate.services.clients import storage
from quorate.services.day import remains
from quorate.services.day.contract import Step
from quorate.services.rendering import TEMPLATES, render
from quorate.services.storage import access, judging, layout
from quorate.spec.model import AbsolutePath, Cluster, Mode, Name

CONFIG = f"{access.ETC}/ceph.conf"
STUB_FOLDER = "/usr/local/lib/quorate/ceph-mgr"
UNITS = "/etc/systemd/system"
KINDS = ("mon", "mgr", "osd")
WAIT_S = 180.0
"""How long the cluster may take to come together, with all nodes starting at once."""
NODE_TIMEOUT_S = 2.0


ManagerModule = Literal[
    "alerts",
    "influx",
    "insights",
    "iostat",
    "localpool",
    "mirroring",
    "nfs",
    "osd_perf_query",
    "osd_support",
    "prometheus",
    "restful",
    "selftest",
    "snap_schedule",
    "stats",
    "telegraf",
    "test_orchestrator",
    "zabbix",
]
"""Of ceph-mgr-modules-core, those that are off unless somebody enables them (``ceph mgr module ls``)."""


class CephOptions(Options):
    """What can differ from one storage cluster to the next."""

    osd_devices: dict[Name, tuple[AbsolutePath, ...]] = Field(default_factory=dict)
    """Node to empty block devices by their stable paths, an OSD each; the other nodes use files."""
    osds_per_node: Annotated[int, Field(ge=1, le=64)] = 1
    """File-backed OSDs on a node without devices."""
    osd_size_gib: Annotated[int, Field(ge=1, le=65536)] = 4
    """Of a file; it is sparse, so that only what is written takes room."""
    cache_mib: Annotated[int, Field(ge=32, le=1048576)] = 64
    """Of each OSD, for data and metadata. On hosts with memory to spare: some GiB."""
    pg_log_entries: Annotated[int, Field(ge=100, le=10000)] = 1000
    """Writes that a placement group remembers; one that missed fewer catches up with these alone."""
    grace_s: Annotated[int, Field(ge=2, le=60)] = 3
    """Silence after which an OSD is reported as down."""
    lease_s: Annotated[float, Field(ge=0.5, le=10)] = 1
    """Of the monitors: one that is lost is out after twice this."""
    silence_s: Annotated[float, Field(ge=2, le=60)] = 3
    """After which daemons and clients look for another monitor."""
    manager_modules: tuple[ManagerModule, ...] = ()
    """Optional modules that the managers load, for ``ceph mgr module enable``: "prometheus" for one."""


class Ceph(Service):
    """Monitors, managers and OSDs."""

    name = "ceph"
    summary = "Replicated storage: Ceph monitors, managers and OSDs on the storage nodes"
    memory_mib = 550
    modes = (Mode.SELF,)
    packages = ("ceph-common", "python3-rados", "python3-rbd")
    compute_packages = packages
    # Patterns (systemctl(1)): the names differ from node to node.
    units = ("ceph-osd@*.service", "ceph-mon@*.service", "ceph-mgr@*.service")
    Options = CephOptions

    @classmethod
    def packages_on(cls, cluster: Cluster, node: str) -> Iterable[str]:
        """The daemons where data is held, the clients where they are used."""
        daemons = ("ceph-mgr", "ceph-mon", "ceph-osd") if node in cluster.storage_nodes else ()
        return (*cls.packages, *daemons)

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """Nothing; but what cannot be made is said here. Raises SpecError."""
        layout.check(cluster, options.osd_devices)
        return Offers()

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files and stores on every node, all daemons at once; then accounts, OSDs and pools."""
        members = set(ctx.cluster.storage_nodes)
        clients = access.clients(ctx.pools)
        mons = layout.monitors(ctx.cluster)
        osds = self._osds(ctx)
        for node in dict.fromkeys((*ctx.cluster.storage_nodes, *ctx.controllers, *ctx.cluster.computes)):
            on_node = [client for client in clients if node in ctx.controllers or client.on_computes]
            for resource in self._client_files(ctx, node, on_node):
                yield Placed(Stage.CONFIG, node, resource)
            if node in members:
                mine = [osd for osd in osds if osd.node == node]
                for resource in self._configured(ctx, node):
                    yield Placed(Stage.CONFIG, node, resource)
                for resource in self._stores(ctx, node, mine):
                    yield Placed(Stage.DATA, node, resource)
                yield Placed(Stage.READY, node, _have_read(node, node in mons, mine))
        yield from self._inside(ctx, next(iter(mons)), clients, len(osds))

    def _osds(self, ctx: Context) -> tuple[layout.Osd, ...]:
        options = cast(CephOptions, ctx.options[self.name])
        return layout.osds(ctx.cluster, ctx.secrets, options.osds_per_node, options.osd_devices)

    def _client_files(self, ctx: Context, node: str, clients: Iterable[access.Client]) -> Iterable[Resource]:
        """What a client needs: the configuration, and the keys of those that are used on this node."""
        yield directory(access.ETC)
        yield file(CONFIG, configuration(ctx, node), after=(f"directory:{access.ETC}",))
        for client in clients:
            text = access.Entity(f"client.{client.name}", cephx.key(ctx.secrets, client.name)).own_keyring
            yield file(client.path, text, mode=0o640, group=client.owner, secret=True)
        own = access.Entity(f"client.{access.OWN}", cephx.key(ctx.secrets, access.OWN)).own_keyring
        yield file(access.keyring_path(access.OWN), own, mode=0o600, secret=True)
        yield directory("/usr/local/lib/quorate")
        yield file(PROGRAM, (TEMPLATES / "ceph/ask.py").read_text(), mode=0o755)

    def _configured(self, ctx: Context, node: str) -> Iterable[Resource]:
        """The administrator's key, the units' settings; on the first three nodes a monitor and a manager."""
        mons = layout.monitors(ctx.cluster)
        admin = access.Entity(f"client.{access.ADMIN}", cephx.key(ctx.secrets, access.ADMIN)).own_keyring
        yield file(access.keyring_path(access.ADMIN), admin, mode=0o600, secret=True)
        yield directory(STUB_FOLDER)
        yield file(f"{STUB_FOLDER}/bcrypt.py", (TEMPLATES / "ceph/bcrypt.py").read_text())
        for kind in KINDS:
            drop_in = f"{UNITS}/ceph-{kind}@.service.d"
            after = f"ceph-mon@{node}.service" if kind == "osd" and node in mons else ""
            text = render("ceph/unit.conf.j2", after=after, python_path=STUB_FOLDER if kind == "mgr" else "")
            yield directory(drop_in)
            yield file(f"{drop_in}/quorate.conf", text)
            yield unit(f"ceph-{kind}.target", enabled=True)
        if node not in mons:
            return
        made = _monitor(ctx, node)
        yield made
        manager = f"/var/lib/ceph/mgr/ceph-{node}"
        key = access.Entity(f"mgr.{node}", cephx.key(ctx.secrets, f"mgr-{node}")).own_keyring
        yield directory(manager, owner="ceph", group="ceph")
        keyring = file(f"{manager}/keyring", key, mode=0o600, owner="ceph", group="ceph", secret=True)
        yield keyring
        # Begun on all nodes at once and not waited for: monitors need each other.
        for kind, waits in (("mon", made.id), ("mgr", keyring.id)):
            name = f"ceph-{kind}@{node}.service"
            waits_for = (waits, f"file:{UNITS}/ceph-{kind}@.service.d/quorate.conf", f"file:{CONFIG}")
            enabled = unit(name, enabled=True, read=True, after=waits_for)
            yield enabled
            yield background(name, after=(enabled.id,))

    def _stores(self, ctx: Context, node: str, osds: Iterable[layout.Osd]) -> Iterable[Resource]:
        options = cast(CephOptions, ctx.options[self.name])
        for osd in osds:
            made = _store(ctx, osd, options.osd_size_gib)
            waits = [made.id]
            yield made
            if osd.device:
                drop_in = f"{UNITS}/{osd.unit}.d"
                # Nothing else gives the device to Ceph's account.
                text = f"[Service]\nExecStartPre=+/bin/chown ceph:ceph {osd.device}\n"
                yield directory(drop_in)
                yield file(f"{drop_in}/device.conf", text)
                waits.append(f"file:{drop_in}/device.conf")
            yield unit(osd.unit, enabled=True, active=True, read=True, after=waits)

    def _inside(
        self, ctx: Context, leader: str, clients: Iterable[access.Client], osds: int
    ) -> Iterable[Placed]:
        """Accounts, pools, and that everything is together: asked on one node, with one question."""
        mons = layout.monitors(ctx.cluster)
        every = {
            one.name: {"key": one.key, "caps": dict(one.caps), "keyring": one.keyring}
            for one in (*entities(ctx), *_service_entities(ctx, clients))
        }
        accounts = Resource(
            "ceph_cluster",
            "accounts of the storage cluster",
            {"part": "accounts", "accounts": every},
            {"wrong": []},
            secret=True,
            timeout_s=WAIT_S,
        )
        sizes = {"size": layout.REPLICAS, "min_size": layout.MIN_REPLICAS}
        pools = {name: {**pool, **sizes} for name, pool in access.pools(ctx.pools).items()}
        made = Resource(
            "ceph_cluster",
            "pools of the storage cluster",
            {"part": "pools", "pools": pools, "wait_s": WAIT_S},
            {"pools": pools},
            timeout_s=WAIT_S + 30,
        )
        whole = Resource(
            "ceph_cluster",
            "the storage cluster is together",
            {"part": "together", "wait_s": WAIT_S},
            {"monitors": len(mons), "managers": len(mons), "osds": osds, "active": True},
            timeout_s=WAIT_S + 30,
        )
        yield Placed(Stage.DATA, leader, accounts)
        yield Placed(Stage.BOOTSTRAP, leader, made)
        yield Placed(Stage.READY, leader, whole)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """The daemons of each node, and what the monitors say of the whole, asked once a node."""
        mons, osds = layout.monitors(ctx.cluster), self._osds(ctx)
        where = {str(osd.number): osd.node for osd in osds}
        for node in ctx.cluster.storage_nodes:
            args = {
                "node": node,
                "mon": node in mons,
                "osds": [osd.number for osd in osds if osd.node == node],
                "client": access.OWN,
                "timeout_s": NODE_TIMEOUT_S,
            }
            judged = partial(judging.judge, node=node, mons=tuple(mons), osds=where)
            yield HealthProbe(self.name, node, "ceph", args, judged)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """An object written on one node, read on the others and removed, with a client of its own."""
        nodes = tuple(ctx.cluster.storage_nodes)
        yield VerifyStep(
            self.name, "write, read and remove an object", partial(storage.object_cycle, nodes=nodes)
        )

    def day(self, ctx: Context) -> Iterable[Step]:
        """That nothing of the tenant's servers, images and volumes is left in the pools."""
        # Of several clients of a pool the one that makes what is in it.
        by_right = sorted(ctx.pools, key=lambda pool: not pool.read_only)
        pools = {pool.name: pool.client for pool in by_right}
        return remains.devices(self.name, nodes=ctx.controllers, pools=pools)


def configuration(ctx: Context, node: str) -> str:
    """ceph.conf of ``node``."""
    options = cast(CephOptions, ctx.options[Ceph.name])
    return render(
        "ceph/ceph.conf.j2",
        **options.model_dump(include={"grace_s", "lease_s", "silence_s", "cache_mib", "pg_log_entries"}),
        left_out=[each for each in get_args(ManagerModule) if each not in options.manager_modules],
        fsid=layout.fsid(ctx.secrets),
        mons=layout.monitors(ctx.cluster),
        network=ctx.cluster.networks["cluster"].cidr,
        replicas=layout.REPLICAS,
        min_replicas=layout.MIN_REPLICAS,
        node=node,
    )


def entities(ctx: Context) -> tuple[access.Entity, ...]:
    """Ceph's own accounts and ours."""
    managers = tuple(layout.monitors(ctx.cluster))
    names: Mapping[str, str] = {
        access.ADMIN: cephx.key(ctx.secrets, access.ADMIN),
        access.OWN: cephx.key(ctx.secrets, access.OWN),
        **{f"mgr.{node}": cephx.key(ctx.secrets, f"mgr-{node}") for node in managers},
    }
    return access.administration(names, managers)


def _service_entities(ctx: Context, clients: Iterable[access.Client]) -> Iterable[access.Entity]:
    for client in clients:
        yield access.Entity(f"client.{client.name}", cephx.key(ctx.secrets, client.name), client.caps)


def _monitor(ctx: Context, node: str) -> Resource:
    """The store of a monitor; the first ones are made with all of Ceph's own accounts in them."""
    mon = access.Entity("mon.", cephx.key(ctx.secrets, "mon"), {"mon": "allow *"})
    args = {
        "node": node,
        "folder": f"/var/lib/ceph/mon/ceph-{node}",
        "fsid": layout.fsid(ctx.secrets),
        "mons": layout.monitors(ctx.cluster),
        "keyring": "".join(one.keyring for one in (mon, *entities(ctx))),
    }
    waits = (f"file:{CONFIG}", f"file:{PROGRAM}", f"file:{access.keyring_path(access.ADMIN)}")
    name = "the monitor's store"
    return Resource("ceph_mon", name, args, {"made": True}, after=waits, secret=True, timeout_s=120)


def _store(ctx: Context, osd: layout.Osd, size_gib: int) -> Resource:
    key = cephx.key(ctx.secrets, f"osd-{osd.number}")
    args = {
        "number": osd.number,
        "uuid": osd.uuid,
        "fsid": layout.fsid(ctx.secrets),
        "folder": osd.folder,
        "device": osd.device,
        "size_mib": size_gib * 1024,
        "key": key,
        "keyring": access.Entity(f"osd.{osd.number}", key).own_keyring,
        "timeout_s": WAIT_S,
    }
    name = f"the store of osd.{osd.number}"
    return Resource("ceph_osd", name, args, {"made": True}, secret=True, timeout_s=WAIT_S + 140)


def _have_read(node: str, is_mon: bool, osds: Iterable[layout.Osd]) -> Resource:
    """Restarted one node after the other, a daemon at a time, where a file is newer than their start."""
    daemons = {f"{kind}.{node}": f"ceph-{kind}@{node}.service" for kind in ("mon", "mgr") if is_mon}
    daemons |= {f"osd.{osd.number}": osd.unit for osd in osds}
    args = {"daemons": daemons, "files": [CONFIG], "wait_s": WAIT_S}
    name = "the storage daemons have read their files"
    return Resource(
        "ceph_daemons", name, args, {"stale": []}, serial=True, timeout_s=2 * WAIT_S * len(daemons)
    )
