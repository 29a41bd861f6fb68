"""Networks in a tenant's day: one with a way out, and an address of the world outside."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from quorate.errors import QuorateError
from quorate.services.clients import network
from quorate.services.day.contract import Day, Hour, Step


def steps(service: str, *, external: str) -> Iterable[Step]:
    """What Neutron does in a tenant's day.

    Args:
        service: its name.
        external: name of the external network; without one there is neither a router nor a floating IP.
    """
    title = "make a network, a router and a group" if external else "make a network and a group"
    build = partial(_build, external=external)
    yield Step(service, Hour.SUPPLIES, title, build, gives=("network",), timeout_s=120)
    if external:
        floating = partial(_floating, external=external)
        title = "give the server a floating IP"
        yield Step(
            service, Hour.ADDRESS, title, floating, needs=("server",), gives=("address",), timeout_s=90
        )
    yield Step(service, Hour.AWAY, "delete the networks", _delete, timeout_s=120)
    yield Step(service, Hour.GONE, "no network, port or address is left", _gone)


async def _build(day: Day, *, external: str) -> str:
    made = await network.build(day.tenant, day.name, external=external)
    day.made["network"] = made.network
    return network.CIDR


async def _floating(day: Day, *, external: str) -> str:
    port = await network.port_of(day.tenant, day.made["server"])
    await network.port_up(day.administrator, port)
    floating = await network.create_floating(day.tenant, external, port)
    day.made["address"] = floating.address
    return floating.address


async def _delete(day: Day) -> str:
    floating = await network.release(day.tenant)
    await network.delete(day.tenant, day.name)
    # Only an administrator can remove it, and Neutron leaves it behind when the project goes.
    await network.forget_default_group(day.administrator, day.project)
    return f"{floating} floating IP{'s' * (floating != 1)}, everything called {day.name}"


async def _gone(day: Day) -> str:
    rest = await network.owned(day.administrator, day.project)
    if rest:
        raise QuorateError(f"there is still: {', '.join(rest)}")
    return "Neutron lists none"
