"""The cache: memcached on every controller. Losing one costs its entries, never an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from quorate.resources.base import Placed, Stage
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.services.base import Context, Health, HealthProbe, Judgement, Options, Service
from quorate.services.rendering import render
from quorate.spec.model import Mode

PORT = 11211
UNIT = "memcached.service"
CONFIG = "/etc/memcached.conf"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"


class MemcachedOptions(Options):
    """What can differ from one cache to the next."""

    memory_mb: Annotated[int, Field(ge=16, le=65536)] = 64
    max_connections: Annotated[int, Field(ge=64, le=65536)] = 1024
    threads: Annotated[int, Field(ge=1, le=64)] = 2


class Memcached(Service):
    """memcached, one a controller; clients spread their keys over all of them."""

    name = "memcached"
    summary = "The cache of tokens and sessions: memcached on every controller"
    memory_mib = 20
    modes = (Mode.SELF,)
    packages = ("memcached",)
    units = (UNIT,)
    Options = MemcachedOptions

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Its configuration and its unit."""
        options = ctx.options[self.name].model_dump()
        for node in ctx.controllers:
            text = render(
                "memcached/memcached.conf.j2", address=ctx.cluster.address(node), port=PORT, **options
            )
            restart = render("memcached/restart.conf.j2")
            for resource in (
                file(CONFIG, text),
                directory(DROP_IN),
                file(f"{DROP_IN}/quorate.conf", restart, after=(f"directory:{DROP_IN}",)),
                unit(
                    UNIT,
                    enabled=True,
                    active=True,
                    restart_on=(CONFIG, f"{DROP_IN}/quorate.conf"),
                    after=(f"file:{CONFIG}", f"file:{DROP_IN}/quorate.conf"),
                    serial=True,
                ),
            ):
                yield Placed(Stage.CONFIG, node, resource)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A value stored and read back on every node."""
        for node in ctx.controllers:
            args = {"host": ctx.cluster.address(node), "port": PORT, "timeout_s": 1.0}
            yield HealthProbe(self.name, node, "memcached", args, judge)


def judge(state: Mapping[str, Any]) -> Judgement:
    """OK when a value came back."""
    if state.get("kept"):
        return Judgement(Health.OK, f"stores and returns, {state.get('connections', '?')} connections")
    return Judgement(
        Health.FAILED, str(state.get("error") or "it lost a value"), "journalctl -u memcached on the node"
    )
