"""Nova on the computes: libvirt with QEMU, and nova-compute, which Pacemaker runs there and mends.

Guests are children of neither: both can be restarted under them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import daemon_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.secrets import cephx
from quorate.services.base import READY_S, Context, HealthProbe, Offers, Options, Service
from quorate.services.compute import health
from quorate.services.compute.settings import API_PORT, DISKS, FOLDER, IMAGES, NOVA, STATE, shared, smallest
from quorate.services.openstack.health import access
from quorate.services.openstack.settings import endpoint
from quorate.services.openstack.units import PROGRAMS, alive_words, daemon
from quorate.services.rendering import TEMPLATES, render
from quorate.services.storage import layout, reach
from quorate.services.storage.guests import secret_uuid
from quorate.spec.model import Cluster, Mode

UNIT = "nova-compute.service"
LIBVIRT_UNIT = "libvirtd.service"
LIBVIRT = "/etc/libvirt"
UNITS = "/etc/systemd/system"
SOCKETS = ("virtlogd.socket", "libvirtd.socket", "libvirtd-tcp.socket")
MIGRATION_PORT = 16509
"""libvirt's own for TCP (libvirtd(8))."""
CONFIG = f"{FOLDER}/nova-compute.conf"
"""Not nova.conf: a node may be a controller too."""
START = f"{PROGRAMS}/nova-compute"
VOLUME_CLIENT = "cinder"


class NovaComputeOptions(Options):
    """What the computes have and give."""

    virt_type: Literal["auto", "kvm", "qemu"] = "auto"
    """Who runs guests: the processor, QEMU (anywhere, but slowly), or the best that the host can."""
    cpu_mode: Literal["host-model", "host-passthrough"] = "host-model"
    """What guests see with kvm; passthrough only moves between hosts of one kind."""
    cpu_model: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "qemu64"
    """What guests see with qemu."""
    tb_cache_mib: Annotated[int, Field(ge=8, le=4096)] = 32
    """What QEMU may keep of translated code, for each guest; only with qemu."""
    reserved_host_memory_mib: Annotated[int, Field(ge=0, le=1 << 20)] = 1024
    """Of each host's memory, not for guests. QEMU itself takes about 100 MiB a guest besides."""
    cpu_allocation_ratio: Annotated[float, Field(gt=0, le=64)] = 4.0
    """Guests' processors for each of the host's."""
    ram_allocation_ratio: Annotated[float, Field(gt=0, le=16)] = 1.0
    disk_allocation_ratio: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Of the room in the storage cluster; it is shared by all computes, and each counts it as its own."""


class NovaCompute(Service):
    """The half of Nova that runs guests."""

    name = "nova-compute"
    summary = "Nova on the computes: libvirt, QEMU and nova-compute"
    compute_memory_mib = 250
    modes = (Mode.SELF,)
    needs = (NOVA, "ceph", "ovn")
    compute_packages = (
        "libvirt-clients",
        "libvirt-daemon-system",
        "nova-compute",
        "nova-compute-kvm",
        "python3-libvirt",
        "python3-memcache",
        "qemu-block-extra",
        "qemu-system-x86",
        "qemu-utils",
    )
    units = (UNIT, LIBVIRT_UNIT)
    Options = NovaComputeOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The pools of disks and images, with keys that the computes have."""
        return Offers(pools=(DISKS, IMAGES))

    def fragment(self, ctx: Context) -> Fragment:
        """nova-compute on every compute; its check asks Nova whether it hears of it."""
        if not ctx.cluster.computes:
            return Fragment()
        words = alive_words(CONFIG, endpoint(ctx, NOVA, API_PORT) + "/v2.1/os-services", self.name)
        clone = daemon_clone(self.name, UNIT, words)
        return Fragment(resources=(replace(clone, nodes=ctx.cluster.computes),))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """libvirt with the keys of the disks; nova-compute's files; proof that servers can be put there."""
        options = cast(NovaComputeOptions, ctx.options[self.name])
        for node in ctx.cluster.computes:
            for resource in (*_libvirt(ctx, node), *_configured(ctx, node, options)):
                yield Placed(Stage.CONFIG, node, resource)
            for name in SOCKETS:
                paths = (_drop_in(name),) if name.startswith("libvirtd") else ()
                listening = unit(name, enabled=True, active=True, read=True, restart_on=paths)
                yield Placed(Stage.MEMBERSHIP, node, listening)
            ready = Resource(
                "nova_compute",
                "servers can be put here",
                _asking(ctx, node) | {"timeout_s": 10.0, "wait_s": READY_S},
                {"hypervisor": "", "error": "", "state": "up", "inventory": True},
                secret=True,
                timeout_s=READY_S + 60,
            )
            yield Placed(Stage.READY, node, ready)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """libvirt on the node, Nova's word on it, Placement's, the room for more servers, the disks' pool."""
        for node in ctx.cluster.computes:
            yield HealthProbe(self.name, node, "nova_compute", _asking(ctx, node), health.judge_compute)
            room = _asking(ctx, node) | {"needs": smallest(ctx)}
            yield HealthProbe(self.name, node, "nova_room", room, health.judge_room)
            yield reach.probe(self.name, node, DISKS, use="no server can be started")


def _asking(ctx: Context, node: str) -> dict[str, Any]:
    return {
        "node": node,
        "provider": _identity(ctx, node, "nova"),
        "access": access(ctx),
        "compute": endpoint(ctx, NOVA, API_PORT),
        "placement": endpoint(ctx, "placement"),
        "timeout_s": 4.0,
    }


def _drop_in(name: str) -> str:
    return f"{UNITS}/{name}.d/quorate.conf"


def _identity(ctx: Context, node: str, what: str) -> str:
    """A UUID that is this node's for good, also after it was installed anew."""
    return str(uuid.uuid5(uuid.UUID(layout.fsid(ctx.secrets)), f"{what}.{node}"))


def _libvirt(ctx: Context, node: str) -> Iterable[Resource]:
    """The daemon's settings, where it listens, and the keys with which QEMU opens disks."""
    config = file(
        f"{LIBVIRT}/libvirtd.conf",
        render("nova/libvirtd.conf.j2", host_uuid=_identity(ctx, node, "libvirt")),
    )
    yield config
    address = ctx.cluster.address(node)
    ports: Mapping[str, int] = {"libvirtd.socket": 0, "libvirtd-tcp.socket": MIGRATION_PORT}
    for name, port in ports.items():
        yield directory(f"{UNITS}/{name}.d")
        yield file(_drop_in(name), render("nova/socket.conf.j2", address=address, port=port))
    yield directory(f"{UNITS}/{LIBVIRT_UNIT}.d")
    yield file(_drop_in(LIBVIRT_UNIT), render("nova/restart.conf.j2"))
    yield directory(f"{LIBVIRT}/secrets", mode=0o700)
    keys: list[str] = []
    for client in _clients(ctx):
        path = f"{LIBVIRT}/secrets/{secret_uuid(ctx.secrets, client)}"
        text = render("nova/secret.xml.j2", uuid=secret_uuid(ctx.secrets, client), client=client)
        yield file(f"{path}.xml", text, mode=0o600)
        # As libvirt keeps a secret's value itself: in base64, as Ceph's keys are written.
        key = str(cephx.key(ctx.secrets, client))
        yield file(f"{path}.base64", key, mode=0o600, secret=True)
        keys += [f"{path}.xml", f"{path}.base64"]
    # Started by its sockets. A restart leaves guests alone (KillMode=process).
    read = (f"{LIBVIRT}/libvirtd.conf", _drop_in(LIBVIRT_UNIT), *keys)
    yield unit(LIBVIRT_UNIT, read=True, restart_on=read, after=tuple(f"file:{path}" for path in read))


def _clients(ctx: Context) -> tuple[str, ...]:
    """Whose pools hold disks of guests: Nova's own, and the volumes'."""
    return (DISKS.client, *sorted({pool.client for pool in ctx.pools} & {VOLUME_CLIENT}))


def _configured(ctx: Context, node: str, options: NovaComputeOptions) -> Iterable[Resource]:
    settings = options.model_dump()
    text = render(
        "nova/compute.conf.j2",
        **shared(ctx, node),
        **settings,
        disks=DISKS,
        secret_uuid=secret_uuid(ctx.secrets, DISKS.client),
    )
    config = file(CONFIG, text, mode=0o640, group=NOVA, secret=True)
    kinds = [
        file(f"{FOLDER}/quorate-virt-{kind}.conf", render("nova/virt.conf.j2", type=kind, **settings))
        for kind in ("kvm", "qemu")
    ]
    start = file(
        START, (TEMPLATES / "nova/nova-compute").read_text(), mode=0o755, validate=("sh", "-n", "{}")
    )
    yield directory(FOLDER, mode=0o750, group=NOVA)
    yield directory(f"{STATE}/tmp", owner=NOVA, group=NOVA)
    # Nova writes one of its own where there is none; this one outlives the host's disk.
    yield file(f"{STATE}/compute_id", _identity(ctx, node, "nova") + "\n", group=NOVA)
    yield from daemon(
        UNIT,
        description="OpenStack Compute: the servers of this host",
        account=NOVA,
        command=(START, FOLDER, CONFIG, options.virt_type),
        files=(config, *kinds, start),
        hardened=False,
    )
