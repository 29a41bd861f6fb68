"""Whether servers can be put on this compute node: its hypervisor, Nova's word on it, Placement's."""

from __future__ import annotations

from typing import Any

from quorate.node import openstack, tools

WAITS = True
TOLD_DOWN = {"OpenStack-API-Version": "compute 2.11"}
"""Nova's first version that says whether somebody declared a service to be down."""
VIRSH = ("virsh", "--quiet", "--connect", "qemu:///system")


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask libvirt on the node, and the others through their virtual IPs.

    Args:
        args: ``node``; ``provider``, its UUID in Nova and so in Placement; ``access`` to Keystone
            (`quorate.node.openstack`); ``compute`` and ``placement``, URLs of the two; ``timeout_s`` of each
            question.

    Returns:
        ``hypervisor``: why libvirt does not answer, or nothing; ``guests`` that run; ``error``: why the
        others could not be asked; of nova-compute ``state`` (nothing: never heard of), ``status``, ``reason``
        it is disabled for, ``updated_at``, ``forced_down`` (somebody declared it to be down);
        ``inventory``: Placement knows its processors; ``node``.
    """
    state: dict[str, Any] = {"error": "", "state": "", "status": "", "reason": "", "updated_at": ""}
    state |= {"node": args["node"], "forced_down": False, "inventory": False}
    state |= _hypervisor(float(args["timeout_s"]))
    access, limit = args["access"], float(args["timeout_s"])
    nova = openstack.Api("Nova", args["compute"], access, limit, TOLD_DOWN)
    placement = openstack.Api("Placement", args["placement"], access, limit)
    try:
        found = nova.told(f"/v2.1/os-services?binary=nova-compute&host={args['node']}")
        for one in found["services"]:
            state |= {key: one.get(key) or "" for key in ("state", "status", "updated_at")}
            state["reason"] = one.get("disabled_reason") or ""
            state["forced_down"] = bool(one.get("forced_down"))
        held = placement.told(f"/resource_providers/{args['provider']}/inventories", good=(200, 404))
        state["inventory"] = "VCPU" in held.get("inventories", ())
    except tools.Failed as error:
        state["error"] = str(error)
    except KeyError as error:
        state["error"] = f"what answered has no {error}"
    return state


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait for it, ``wait_s`` seconds."""
    last: dict[str, Any] = {}

    def right() -> bool:
        last.update(look(args))
        return not tools.differing(desired, last)

    if not tools.wait_until(right, args["wait_s"]):
        said = ", ".join(f"{key}: {value}" for key, value in last.items())
        raise tools.Failed(f"no server could be put here after {args['wait_s']:g} s", said)


def _hypervisor(timeout_s: float) -> dict[str, Any]:
    try:
        done = tools.run([*VIRSH, "list", "--name"], timeout_s=timeout_s)
    except tools.Failed as error:
        return {"hypervisor": str(error), "guests": 0}
    said = "" if done.exit == 0 else done.words or "virsh failed"
    return {"hypervisor": said, "guests": len(done.out.split())}
