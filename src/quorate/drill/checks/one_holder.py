"""Afterwards every virtual IP is held by exactly one node."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.drill.check import Check
from quorate.drill.history import History
from quorate.drill.model import Finding


def run(history: History) -> Iterable[Finding]:
    """One finding a virtual IP that is not held as it should be, or one for all."""
    records = history.all("holders")
    if not records:
        yield CHECK.doubt("nobody looked who holds the virtual IPs")
        return
    holders = records[-1]["vips"]
    wrong = {vip: nodes for vip, nodes in holders.items() if len(nodes) != 1}
    for vip, nodes in wrong.items():
        yield CHECK.failed(
            f"{vip} is held by {' and '.join(nodes)}" if nodes else f"{vip} is held by no node"
        )
    if not wrong:
        yield CHECK.passed(f"each of {len(holders)} virtual IPs is on exactly one node")


CHECK = Check("one-holder", "each virtual IP is on exactly one node", run)
