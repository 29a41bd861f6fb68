"""Open vSwitch on this node: its bridges, the interfaces in them, and what it was told."""

from __future__ import annotations

import json
import os
from typing import Any

from quorate.node import ovsdb, tools

VSCTL = ["ovs-vsctl", "--timeout=5"]
NETDEV, SYSTEM = "netdev", "system"


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Compare.

    Args:
        args: ``bridges``, name to the interface in it; ``addresses``, bridge to its address with the prefix
            length; ``external_ids``, key to value, "" for none; ``manager`` and ``manager_probe_ms``.

    Returns:
        ``differences``: a line for each, sorted; ``datapath``: ``netdev`` or ``system``.
    """
    bridges, ports, switch, managers = _read()
    datapath = _datapath()
    own: dict[str, str] = switch["external_ids"]
    wanted = {**args["external_ids"], "ovn-bridge-datapath-type": datapath}
    lines = [
        f"{key}: {own.get(key, '')} → {value}" for key, value in wanted.items() if own.get(key, "") != value
    ]
    by_name = {bridge["name"]: bridge for bridge in bridges}
    for name, nic in args["bridges"].items():
        bridge = by_name.get(name)
        if bridge is None:
            lines.append(f"{name}: absent")
            continue
        if bridge["datapath_type"] not in ((datapath,) if datapath == NETDEV else (datapath, "")):
            lines.append(f"{name}: {bridge['datapath_type']} → {datapath}")
        inside = bridge["ports"] if isinstance(bridge["ports"], list) else [bridge["ports"]]
        if nic not in (ports.get(port) for port in inside):
            lines.append(f"{name}: without {nic}")
    probe = args["manager_probe_ms"]
    if [(one["target"], one["inactivity_probe"]) for one in managers] != [(args["manager"], probe)]:
        lines.append(f"manager: → {args['manager']}")
    for name, address in args["addresses"].items():
        if address not in _addresses(name):
            lines.append(f"{name}: without the address {address}")
    return {"differences": sorted(lines), "datapath": datapath}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """All of it in one transaction; then wait until the bridges have their addresses.

    Raises:
        Failed: an interface is missing or is the host's; Open vSwitch refuses; an address does not come.
    """
    datapath, argv = _datapath(), [*VSCTL[:1], "--timeout=20"]
    for name, nic in args["bridges"].items():
        _free(nic)
        argv += [
            "--",
            "--may-exist",
            "add-br",
            name,
            "--",
            "set",
            "bridge",
            name,
            f"datapath_type={datapath}",
        ]
        argv += ["--", "--may-exist", "add-port", name, nic]
    values = {**args["external_ids"], "ovn-bridge-datapath-type": datapath}
    for key, value in values.items():
        pair = f"{key}={json.dumps(value)}" if value else key
        argv += ["--", *(("set", "open", ".", f"external_ids:{pair}") if value else
                         ("remove", "open", ".", "external_ids", key))]  # fmt: skip
    argv += ["--", "--id=@manager", "create", "Manager", f"target={json.dumps(args['manager'])}"]
    argv += [f"inactivity_probe={args['manager_probe_ms']}"]
    argv += ["--", "set", "open", ".", "manager_options=@manager"]
    tools.check(argv, "Open vSwitch does not take its settings", timeout_s=25)
    if not tools.wait_until(lambda: not look(args)["differences"], args["wait_s"]):
        said = "\n".join(look(args)["differences"])
        raise tools.Failed(f"Open vSwitch is not as it should be after {args['wait_s']:g} s", said)


def kernel_datapath() -> bool:
    """Whether the kernel has Open vSwitch's datapath, loaded or to be loaded."""
    if os.path.isdir("/sys/module/openvswitch"):
        return True
    if not os.path.isdir(f"/lib/modules/{os.uname().release}"):
        return False
    return tools.run(["modprobe", "--dry-run", "--quiet", "openvswitch"]).exit == 0


def _datapath() -> str:
    return SYSTEM if kernel_datapath() else NETDEV


def _read() -> tuple[list[ovsdb.Row], dict[str, str], ovsdb.Row, list[ovsdb.Row]]:
    argv = [*VSCTL, "--format=json", "--", "--columns=name,datapath_type,ports", "list", "Bridge"]
    argv += ["--", "--columns=_uuid,name", "list", "Port"]
    argv += ["--", "--columns=external_ids", "list", "Open_vSwitch"]
    argv += ["--", "--columns=target,inactivity_probe", "list", "Manager"]
    what = "Open vSwitch's database does not answer"
    bridges, ports, switch, managers = ovsdb.tables(argv, what)
    return bridges, {port["_uuid"]: port["name"] for port in ports}, switch[0], managers


def _addresses(name: str) -> list[str]:
    done = tools.run(["ip", "-json", "-4", "address", "show", "dev", name], timeout_s=3)
    if done.exit != 0:
        return []
    found = [one for link in json.loads(done.out) for one in link.get("addr_info", ())]
    return [f"{one['local']}/{one['prefixlen']}" for one in found]


def _free(nic: str) -> None:
    """An interface that the host itself uses is not taken from it."""
    if not os.path.isdir(f"/sys/class/net/{nic}"):
        raise tools.Failed(
            f"there is no interface {nic}: networks.*.nic in cluster.yaml says what it is called"
        )
    if taken := _addresses(nic):
        words = f"{nic} has the address {taken[0]}, which would be lost"
        raise tools.Failed(f"{words}: Open vSwitch needs an interface that the host does not use")
