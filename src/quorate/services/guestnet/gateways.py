"""Gateways that know of each other before a router needs them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quorate.resources.base import Resource
from quorate.resources.command import command

NAME = "quorate-gateways"
"""Of the switch, of its port, and of the HA chassis group in OVN's northbound database."""
MOST = 16
"""Gateways that watch each other without need; of n, each has n - 1 sessions."""


def acquainted(gateways: Sequence[str], northbound: str) -> Iterable[Resource]:
    """Have all gateways watch each other (BFD) from the start.

    OVN keeps sessions only between chassis with an HA chassis group in common, and a gateway that sees no
    other takes itself for the last. Without this, the gateways of a first router all take it before they have
    met: it changes hands several times within a second, and Neutron rewrites the gateway's port each time.
    The group is that of an external port, on a switch of its own that nothing else uses.

    Args:
        gateways: their names as chassis. None, or more than `MOST`: nothing is done.
        northbound: where OVN's northbound database is.

    Source: ovn-nb(5), "ha_chassis_group" of Logical_Switch_Port; ovn-architecture(7), "BFD".
    """
    if not 0 < len(gateways) <= MOST:
        return
    client = ("ovn-nbctl", f"--db={northbound}")
    members = f'external_ids:gateways="{" ".join(gateways)}"'
    chassis: list[str] = []
    for priority, node in enumerate(gateways, 1):
        chassis += ["--", f"--id=@{node}", "create", "HA_Chassis", f"chassis_name={node}"]
        chassis += [f"priority={priority}"]
    group = ",".join(f"@{node}" for node in gateways)
    yield command(
        "OVN's gateways watch each other",
        check=(*client, "--timeout=5", "--bare", "--columns=_uuid",
               "find", "Logical_Switch_Port", f"name={NAME}", members),
        expect="-",
        # One transaction: an older one is replaced, a port of it first let go of its group.
        fix=(*client, "--timeout=20",
             "--if-exists", "clear", "Logical_Switch_Port", NAME, "ha_chassis_group",
             "--", "--if-exists", "ls-del", NAME,
             "--", "--if-exists", "destroy", "HA_Chassis_Group", NAME,
             *chassis,
             "--", "--id=@group", "create", "HA_Chassis_Group", f"name={NAME}", f"ha_chassis={group}",
             "--", "--id=@port", "create", "Logical_Switch_Port", f"name={NAME}", "type=external",
             "ha_chassis_group=@group", members,
             "--", "create", "Logical_Switch", f"name={NAME}", "ports=@port"),
    )  # fmt: skip
