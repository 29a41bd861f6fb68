"""Room for servers on this compute node as Placement counts it, and whether Nova knows who takes it."""

from __future__ import annotations

from typing import Any

from quorate.node import openstack, tools

WAITS = True
OVER = ("completed", "done", "confirmed", "reverted", "error", "failed", "cancelled")
"""A migration in one of these states holds no room any more, or never gives it back by itself (error)."""
ASKED = 5
"""Takers that Nova is asked for one by one: a few show what is wrong as well as all."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask Placement, and Nova where somebody takes room, through their virtual IPs.

    Args:
        args: ``node``; ``provider``, its UUID in Nova and so in Placement; ``access`` to Keystone
            (`quorate.node.openstack`); ``compute`` and ``placement``, URLs of the two; ``needs``: resource
            class to what the smallest flavor takes; ``timeout_s`` of each question.

    Returns:
        ``error``: why one of them could not be asked; ``free`` and ``needs``, by resource class (VCPU,
        MEMORY_MB, DISK_GB), empty where Placement does not know the node; ``strays``: who takes room here,
        and is no server of Nova's any more.
    """
    state: dict[str, Any] = {"error": "", "free": {}, "needs": {}, "strays": []}
    access, limit = args["access"], float(args["timeout_s"])
    nova = openstack.Api("Nova", f"{args['compute']}/v2.1", access, limit)
    placement = openstack.Api("Placement", args["placement"], access, limit)
    try:
        path = f"/resource_providers/{args['provider']}"
        held = placement.told(f"{path}/inventories", good=(200, 404)).get("inventories", {})
        takers = placement.told(f"{path}/allocations")["allocations"] if held else {}
        state["free"] = free(held, takers)
        state["needs"] = {name: need for name, need in args["needs"].items() if name in held}
        state["strays"] = _strays(nova, args["node"], list(takers)) if takers else []
    except tools.Failed as error:
        state["error"] = str(error)
    except KeyError as error:
        state["error"] = f"what answered has no {error}"
    return state


def free(held: dict[str, Any], takers: dict[str, Any]) -> dict[str, int]:
    """Resource class to what is left of it, the host's reserve and over-commitment counted in.

    As Placement counts (its API reference, "Resource provider inventories"): (total - reserved) *
    allocation_ratio.
    """
    found = {}
    for name, one in held.items():
        taken = sum(int(taker["resources"].get(name, 0)) for taker in takers.values())
        found[name] = int((one["total"] - one["reserved"]) * one["allocation_ratio"]) - taken
    return found


def _strays(nova: openstack.Api, node: str, takers: list[str]) -> list[str]:
    """Those of ``takers`` that Nova does not know. A migration under way takes room by an id of its own."""
    here = nova.told(f"/servers?all_tenants=1&host={node}")["servers"]
    unknown = sorted(set(takers) - {one["id"] for one in here})
    if not unknown:
        return []
    moves = nova.told(f"/os-migrations?host={node}")["migrations"]
    if any(one["status"] not in OVER for one in moves):
        return []
    # One that is being made has no host yet, but is known.
    return [one for one in unknown[:ASKED] if not nova.told(f"/servers/{one}", good=(200, 404)).get("server")]
