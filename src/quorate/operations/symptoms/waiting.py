"""Services that stay down on purpose: nobody has confirmed that the node which had them is off."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.operations.observation import Observation
from quorate.operations.problems import Problem, critical
from quorate.pacemaker.state import ClusterState


def waiting(seen: Observation) -> Iterator[Problem]:
    """One problem for each of the user's services that was on a node which nobody could fence yet."""
    view = seen.view
    if view is None or not view.quorate:
        return
    for node in (state.name for state in view.nodes if state.unclean):
        for service, spec in seen.cluster.services.items():
            held = any(node in one.nodes for one in view.instances(service))
            if spec.own and held:
                yield critical(
                    f"it waits: {node} had it, and nothing has confirmed that {node} is off"
                    f"{_because(seen, view, node)}; two nodes at once would destroy what it stores",
                    service,
                    f"{_mend(seen, node)}, and it goes on by itself. Only if you have seen that {node} is "
                    f"off, on a live node: stonith_admin --confirm={node}",
                )


def _because(seen: Observation, view: ClusterState, node: str) -> str:
    last = next((event for event in view.fencing if event.target == node), None)
    if last is None or last.status == "success":
        return ""
    said = f": {last.reason}" if last.reason else ""
    return f" (fencing it {'failed' if last.status == 'failed' else 'is under way'}{said})"


def _mend(seen: Observation, node: str) -> str:
    spec = seen.cluster.nodes.get(node)
    return f"make its BMC at {spec.bmc.address} answer" if spec and spec.bmc else f"make {node} fenceable"


RULES = (waiting,)
