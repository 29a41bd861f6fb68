"""Cut only the network that the cluster's members talk over. Clients, guests and tunnels go on."""

from __future__ import annotations

from quorate.drill.contract import Scene
from quorate.drill.outside import OutsideFault, bench

NETWORK = "cluster"


class IsolateManagement(OutsideFault):
    """To its clients the node looks alive: it still has its virtual IPs, and nothing behind them.

    Corosync's second link keeps it a member, so it need not be fenced.
    """

    name = "isolate-management"
    summary = "cut a node's link in the cluster's own network only; clients still reach it"
    why_bench = "this host does not own the switch that the node's network card is plugged into"

    def explain(self, scene: Scene) -> str:
        """What the person at the keyboard agrees to."""
        return (
            f"cut the link of {scene.victim} in the network {NETWORK!r}, outside the node: its peers see "
            f"silence, and clients still reach it; it comes back afterwards, in any case after "
            f"{scene.thaw_after_s:g} s"
        )

    async def inject(self, scene: Scene) -> str:
        """Outside the node, so that its card keeps its carrier."""
        networks = await bench(scene).isolate(scene.victim, NETWORK)
        return f"{scene.victim} is cut off from {', '.join(networks)}"


FAULT = IsolateManagement
