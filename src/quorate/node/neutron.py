"""Neutron on a controller: which agents it sees alive, and whether a maintenance worker is at work."""

from __future__ import annotations

from typing import Any

from quorate.node import openstack, raft, tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Ask the API on this node, and the northbound database's server where it leads.

    Args:
        args: ``url`` of the API on this node; ``access`` to Keystone (`quorate.node.openstack`);
            ``timeout_s`` of each question; ``patience_s`` with the agents; ``northbound``: the arguments of
            `raft.look`, with ``socket`` of the same server; ``lock``: what a maintenance worker holds there.

    Returns:
        ``error``: why the API could not be asked; ``agents``, each with ``host``, ``binary``, ``alive``;
        ``locked``: somebody has the lock; None where another server has to know.
    """
    state: dict[str, Any] = {"error": "", "agents": [], "locked": None}
    try:
        state["agents"] = agents(args)
    except (KeyError, TypeError):
        state["error"] = "what answered is no list of agents"
    except tools.Failed as error:
        state["error"] = str(error)
    try:
        leads = raft.look(args["northbound"])["role"] == "leader"
    except tools.Failed:
        leads = False
    if leads:
        state["locked"] = locked(args["northbound"]["socket"], args["lock"])
    return state


def agents(args: dict[str, Any]) -> list[dict[str, Any]]:
    """What Neutron says of its agents. It judges by how many changes each is behind, and others make some.

    So one that seems dead is asked for again, for ``patience_s``.
    """
    found: list[dict[str, Any]] = []

    def alive() -> bool:
        told = ask(args, "GET", "/agents")["agents"]
        found[:] = [{key: one[key] for key in ("host", "binary", "alive")} for one in told]
        return all(one["alive"] for one in found)

    if not alive():
        tools.wait_until(alive, float(args["patience_s"]))
    return found


def locked(socket: str, lock: str) -> bool | None:
    """Whether somebody has ``lock``; None where that cannot be told.

    It is asked for, because locks are not listed anywhere; who gets it has it for a second.
    """
    argv = ["ovsdb-client", "--timeout=1", "lock", f"unix:{socket}", lock]
    done = tools.run(argv, timeout_s=2)
    said = done.out + done.err
    if '"locked":true' in said.replace(" ", ""):
        return False
    return True if '"locked":false' in said.replace(" ", "") else None


def ask(
    args: dict[str, Any],
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    good: tuple[int, ...] = (200,),
) -> dict[str, Any]:
    """JSON of what the API answers.

    Raises:
        NotReady: it does not answer, or not as it does when all is well.
        Failed: it refuses; the evidence is what it says.
    """
    its = openstack.Api("Neutron", f"{args['url']}/v2.0", args["access"], float(args["timeout_s"]))
    return its.told(path, method=method, body=body, good=good)
