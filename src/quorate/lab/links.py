"""Faults of a node's link, made outside the node: in an nftables table of the lab's own.

The node sees nothing but silence: its card keeps its carrier, as behind a broken switch. Faults hold by
interface name, so they outlive a power cycle of the node; they end with `heal`, or with the lab.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from quorate.errors import LabError, UsageError
from quorate.lab import hardware
from quorate.lab.layout import LabFolder, link_name, table_name
from quorate.lab.run import run


class Fault(StrEnum):
    """What can be wrong with a link, as the node sees it."""

    CUT = "cut"
    """Nothing passes."""
    RECEIVE_ONLY = "receive-only"
    """What the node sends is lost."""
    SEND_ONLY = "send-only"
    """What is sent to the node is lost."""
    LOSS = "loss"
    """A share of the frames is lost at random, in each direction."""


@dataclass(frozen=True)
class Faulty:
    """A fault in place.

    Args:
        node: the node whose link it is.
        network: the network of the link.
        fault: what is wrong.
        percent: of `Fault.LOSS`, 0 to 100; otherwise 100.
    """

    node: str
    network: str
    fault: Fault
    percent: float = 100.0

    def to_json(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)


def _comment(faulty: Faulty) -> str:
    return f"{faulty.node}/{faulty.network}/{faulty.fault.value}/{faulty.percent:g}"


def _parse(comment: str) -> Faulty | None:
    parts = comment.split("/")
    try:
        node, network, fault, percent = parts
        return Faulty(node, network, Fault(fault), float(percent))
    except ValueError:
        return None


def rules(lab: str, faulty: Faulty) -> list[str]:
    """The nft commands that put a fault in place, into a table that exists."""
    link, table = link_name(lab, faulty.node, faulty.network), table_name(lab)
    share = f"numgen random mod 10000 < {round(faulty.percent * 100)} " if faulty.fault is Fault.LOSS else ""
    sent = f'add rule bridge {table} sent iifname "{link}" {share}counter drop comment "{_comment(faulty)}"'
    got = (
        f'add rule bridge {table} received oifname "{link}" {share}counter drop comment "{_comment(faulty)}"'
    )
    return {Fault.RECEIVE_ONLY: [sent], Fault.SEND_ONLY: [got]}.get(faulty.fault, [sent, got])


def parse(text: str) -> list[tuple[Faulty, str, int]]:
    """Every fault in a table, its chain and its rule's handle, from ``nft --json --handle list table``."""
    found = []
    for item in json.loads(text or "{}").get("nftables", []):
        rule = item.get("rule", {})
        if faulty := _parse(rule.get("comment", "")):
            found.append((faulty, rule["chain"], rule["handle"]))
    return found


def _listed(lab: str) -> list[tuple[Faulty, str, int]]:
    argv = ["nft", "--json", "--handle", "list", "table", "bridge", table_name(lab)]
    return parse(run(argv, timeout_s=10, check=False))  # no table: nothing is listed


def faults(lab: str) -> list[Faulty]:
    """The faults in place in a lab, each once."""
    return sorted({faulty for faulty, _, _ in _listed(lab)}, key=_comment)


def check(lab: LabFolder, node: str, network: str) -> None:
    """Raise UsageError unless the lab has that node, with a card in that network."""
    machine = hardware.load(lab.node(node))
    known = [nic.network for nic in machine.nics]
    if network not in known:
        raise UsageError(f"{node} has no link in a network {network!r}; it has {', '.join(known)}")


def put(lab: LabFolder, faulty: Faulty) -> None:
    """Put a fault in place, instead of any other on the same link.

    Raises:
        UsageError: there is no such link, or the percentage is not between 0 and 100.
        LabError: nft refused.
    """
    check(lab, faulty.node, faulty.network)
    if not 0 <= faulty.percent <= 100:
        raise UsageError(f"{faulty.percent:g} is not a percentage between 0 and 100")
    table = table_name(lab.name)
    script = [
        f"add table bridge {table}",
        f"add chain bridge {table} sent {{ type filter hook prerouting priority -300; }}",
        f"add chain bridge {table} received {{ type filter hook postrouting priority 300; }}",
        *_removals(lab.name, faulty.node, faulty.network),
        *rules(lab.name, faulty),
    ]
    run(["nft", "-f", "-"], stdin="\n".join(script) + "\n", what="the fault could not be put in place")


def heal(lab: str, node: str | None = None, network: str | None = None) -> int:
    """End the faults of a link, of all links of a node, or of the whole lab, and make sure that they ended.

    Returns:
        How many links were healed.

    Raises:
        LabError: a fault is still there.
    """
    before = [one for one in faults(lab) if _matches(one, node, network)]
    if script := _removals(lab, node, network):
        run(["nft", "-f", "-"], stdin="\n".join(script) + "\n", what="the fault could not be ended")
    left = [_comment(one) for one in faults(lab) if _matches(one, node, network)]
    if left:
        raise LabError("a fault is still in place", evidence="\n".join(left))
    return len(before)


def _matches(faulty: Faulty, node: str | None, network: str | None) -> bool:
    return node in (None, faulty.node) and network in (None, faulty.network)


def _removals(lab: str, node: str | None, network: str | None) -> list[str]:
    return [
        f"delete rule bridge {table_name(lab)} {chain} handle {handle}"
        for faulty, chain, handle in _listed(lab)
        if _matches(faulty, node, network)
    ]
