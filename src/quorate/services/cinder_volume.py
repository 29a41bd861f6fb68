"""Volumes in the storage: cinder-volume on Ceph, on every controller at once or, by choice, on one.

Active/active, its workers share a queue; that two never change one volume at a time is what etcd is for.
Active/passive, Pacemaker runs one worker, and starts the next where the last one certainly is no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from quorate.errors import SpecError
from quorate.pacemaker.model import Clone, Fragment
from quorate.pacemaker.unit import daemon_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.unit import unit
from quorate.services.base import Context, HealthProbe, Offers, Service, VerifyStep
from quorate.services.clients import volume
from quorate.services.day import volumes
from quorate.services.day.contract import Step
from quorate.services.openstack.units import daemon
from quorate.services.volumes import health
from quorate.services.volumes.settings import (
    BACKEND,
    CINDER,
    CONFIG,
    ETCD,
    IMAGES,
    VOLUMES,
    WORKER,
    CinderVolumeOptions,
    alive,
    asking,
    backend_host,
    configured,
)
from quorate.spec.model import Cluster, Mode

UNIT = "cinder-volume.service"
UNWANTED = ("tgt.service",)
"""What the package brings for another kind of storage, and starts: it would listen to everybody."""
WAIT_S = 180.0


class CinderVolume(Service):
    """The half of Cinder at the storage."""

    name = WORKER
    summary = "Volumes in Ceph: cinder-volume, on every controller or on one"
    memory_mib = 170
    modes = (Mode.ACTIVE_ACTIVE, Mode.ACTIVE_PASSIVE)
    needs = (CINDER, "ceph")
    packages = (
        "ceph-common",
        "cinder-volume",
        "python3-etcd3gw",
        "python3-rados",
        "python3-rbd",
        "qemu-utils",
        "sudo",
    )
    units = (UNIT,)
    Options = CinderVolumeOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The pools.

        Raises:
            SpecError: it is to be active/active without anything that keeps its workers apart.
        """
        given = cluster.services.get(WORKER)
        mode = (given.mode if given else None) or self.modes[0]
        etcd = cluster.services.get(ETCD)
        if mode is Mode.ACTIVE_ACTIVE and (etcd is None or not etcd.enabled):
            raise SpecError(
                "cinder-volume cannot be active/active without etcd",
                ("without common locks two of its workers may change one volume at a time",),
                where=f"services.{WORKER}.mode",
                next_step="add etcd: {} to the services, or choose mode: active/passive",
            )
        return Offers(pools=(VOLUMES, IMAGES))

    def fragment(self, ctx: Context) -> Fragment:
        """The worker on every controller, or one of it behind fencing; its check asks Cinder about it."""
        words = alive(ctx, WORKER)
        clone = daemon_clone(WORKER, UNIT, words)
        return Fragment(resources=(_one(clone) if _alone(ctx) else clone,))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files on all controllers; proof that volumes can be put into the storage."""
        for node in ctx.controllers:
            files = configured(ctx, node)
            worker = daemon(
                UNIT,
                description="OpenStack Block Storage: volumes in the storage",
                account=CINDER,
                command=("/usr/bin/cinder-volume", "--config-file", CONFIG),
                files=files,
                hardened=False,
            )
            for resource in (*worker, *(unit(name, masked=True) for name in UNWANTED)):
                yield Placed(Stage.CONFIG, node, resource)
            yield Placed(Stage.READY, node, _ready(ctx, node))

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Its sign of life, its connection to a broker, and the room in the storage as it reports it."""
        for node in ctx.controllers:
            host = backend_host(ctx, node)
            args = _asking(ctx, node)
            judge = partial(health.judge_worker, binary=WORKER, host=host, backend=BACKEND)
            yield HealthProbe(WORKER, node, "cinder", args, judge)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """A volume, a snapshot, a volume from that; nothing left."""
        title = "make a volume, a snapshot and a volume from it; remove them"
        yield VerifyStep(WORKER, title, volume.make_and_delete, timeout_s=240)

    def day(self, ctx: Context) -> Iterable[Step]:
        """A volume in the tenant's server."""
        return volumes.steps(CINDER)


def _alone(ctx: Context) -> bool:
    return ctx.modes[WORKER] is Mode.ACTIVE_PASSIVE


def _one(clone: Clone) -> Clone:
    """One of it at a time: after the loss of its node, elsewhere once that node is certainly off."""
    primitive = replace(clone.primitive, meta={**clone.primitive.meta, "requires": "fencing"})
    return replace(clone, primitive=primitive, meta={**clone.meta, "clone-max": "1"})


def _asking(ctx: Context, node: str) -> dict[str, Any]:
    host = backend_host(ctx, node)
    return asking(ctx, node) | {"units": [UNIT], "pools": True, "host": host, "binary": WORKER}


def _ready(ctx: Context, node: str) -> Resource:
    return Resource(
        "cinder_ready",
        "volumes can be made",
        _asking(ctx, node) | {"wait_s": WAIT_S},
        {"up": True, "reported": True},
        secret=True,
        timeout_s=WAIT_S + 60,
    )
