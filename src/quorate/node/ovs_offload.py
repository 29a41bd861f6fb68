"""TCP through Open vSwitch's userspace datapath: it has to know of segmentation offload before it starts.

Without it, TCP of guests whose cards offload checksums is lost, while ping works.
"""

from __future__ import annotations

from typing import Any

from quorate.node import ovs, ovsdb, tools

OPTION = "userspace-tso-enable"


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``right``: it is set, or the kernel's datapath is used, which has no need of it."""
    if ovs.kernel_datapath():
        return {"right": True}
    argv = [*ovs.VSCTL, "--no-wait", "--format=json", "--columns=other_config", "list", "Open_vSwitch"]
    ((switch,),) = ovsdb.tables(argv, "Open vSwitch's database does not answer")
    return {"right": switch["other_config"].get(OPTION) == "true"}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Set it; a switch that runs without it starts anew, because it reads it only then."""
    argv = [*ovs.VSCTL, "--no-wait", "set", "open", ".", f"other_config:{OPTION}=true"]
    tools.check(argv, "Open vSwitch does not take its settings")
    argv = ["systemctl", "try-restart", "ovs-vswitchd.service"]
    tools.check(argv, "Open vSwitch does not start again", timeout_s=60)
