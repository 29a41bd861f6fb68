"""Virtual IPs: an address a service, or one for all, on controllers whose HAProxy works and has servers.

Corosync has two links, so a controller that has lost the cluster's own network stays a member, and clients
still reach it: but its HAProxy reaches no server. A watcher notices, and the addresses go to the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from quorate.pacemaker.address import virtual_ip
from quorate.pacemaker.model import (
    CUT_OFF,
    CUT_OFF_FROM,
    Away,
    Colocation,
    Fragment,
    Location,
    Order,
    Primitive,
)
from quorate.resources.base import Placed
from quorate.resources.watcher import FOLDER, watcher
from quorate.services.base import Context, Health, HealthProbe, Judgement, Options, Service
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import Mode

BALANCER = "haproxy-clone"
"""The clone of the load balancer: an address is of use only where that runs."""
HOME_SCORE = "10"
"""Less than the stickiness of 100: decides where an address starts, never that it moves back."""
SHARED = "vip"
WATCHER = "quorate-reach-watch.service"
WATCH = f"{FOLDER}/reach-watch"


class VipOptions(Options):
    """How addresses are announced and watched."""

    monitor_s: Annotated[int, Field(ge=5, le=600)] = 30
    arp_count: Annotated[int, Field(ge=1, le=20)] = 5
    arp_interval_ms: Annotated[int, Field(ge=10, le=1000)] = 50
    """Gratuitous ARP tells the neighbours where the address is now; the first goes out at once."""


class Vip(Service):
    """The addresses that clients know."""

    name = "vip"
    summary = "Virtual IPs: each on one controller with a working HAProxy, spread over the controllers"
    modes = (Mode.ACTIVE_PASSIVE,)
    always = True
    packages = ("iputils-arping", "iputils-ping")
    Options = VipOptions

    def fragment(self, ctx: Context) -> Fragment:
        """A resource an address."""
        options = ctx.options[self.name]
        assert isinstance(options, VipOptions)
        resources: list[Primitive] = []
        constraints: list[Location | Away | Colocation | Order] = []
        for identifier, (address, home) in addresses(ctx).items():
            resources.append(_primitive(ctx, identifier, address, options))
            constraints.append(Colocation(identifier, BALANCER))
            constraints.append(Order(BALANCER, identifier, "Optional"))
            constraints.append(Location(identifier, home, HOME_SCORE))
            if _watched(ctx):
                constraints.append(Away(identifier, CUT_OFF, "1"))
        return Fragment(tuple(resources), tuple(constraints))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """The watcher, on every controller."""
        for node in ctx.controllers if _watched(ctx) else ():
            others = [ctx.cluster.address(other) for other in ctx.controllers if other != node]
            text = render("vip/reach-watch.service.j2", program=WATCH, attribute=CUT_OFF, others=others)
            script = (TEMPLATES / "vip" / "reach-watch").read_text()
            yield from watcher(node, WATCHER, WATCH, script, text)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Which node has which address. That exactly one node has it is for ``status`` to judge."""
        known = {address: identifier for identifier, (address, _) in addresses(ctx).items()}
        for node in ctx.controllers:
            yield HealthProbe(self.name, node, "host", {"paths": []}, _judge_for(known))


def _watched(ctx: Context) -> bool:
    return len(ctx.controllers) >= CUT_OFF_FROM


def identifier(service: str, *, shared: bool = False) -> str:
    """The id of the Pacemaker resource that holds the virtual IP of ``service``."""
    return SHARED if shared else f"{SHARED}-{service}"


def addresses(ctx: Context) -> dict[str, tuple[str, str]]:
    """Resource id → address and the controller that it starts on.

    Spread evenly in the order of the spec. An address whose servers have one writer starts on another
    controller than the first, which is where the first writer is: one lost node then does not take both.
    """
    single = {frontend.service for frontend in ctx.frontends if frontend.single_writer}
    shared = ctx.cluster.vips.policy == "shared"
    wanted = {
        identifier(service, shared=shared): (service, address)
        for service, address in ctx.vips.items()
        # The address of an active/passive service is part of that service, and moves with it.
        if ctx.modes.get(service) is not Mode.ACTIVE_PASSIVE
    }
    load = dict.fromkeys(ctx.controllers, 0)
    homes: dict[str, str] = {}
    # Those that have a preference choose first.
    for name, (service, _) in sorted(wanted.items(), key=lambda item: item[1][0] not in single):
        choices = ctx.controllers[1:] if service in single and len(ctx.controllers) > 1 else ctx.controllers
        homes[name] = min(choices, key=lambda node: load[node])
        load[homes[name]] += 1
    return {name: (address, homes[name]) for name, (_, address) in wanted.items()}


def _primitive(ctx: Context, name: str, address: str, options: VipOptions) -> Primitive:
    # Not "fencing": the minority has no quorum and drops the address by itself, the new holder announces
    # it, and nothing behind it is written by two. So a BMC that died with its node does not hold it up.
    return virtual_ip(name, ctx.cluster, address, meta={"requires": "quorum"}, **options.model_dump())


def _judge_for(known: Mapping[str, str]) -> Any:
    def judge(state: Mapping[str, Any]) -> Judgement:
        held = sorted(name for address, name in known.items() if address in state.get("addresses", ()))
        return Judgement(Health.OK, "has " + ", ".join(held) if held else "has none at the moment")

    return judge
