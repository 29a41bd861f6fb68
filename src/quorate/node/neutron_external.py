"""The network outside that floating IPs are from: made through Neutron's API, or put right."""

from __future__ import annotations

from typing import Any

from quorate.node import neutron, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """What of it is not as it should be.

    Args:
        args: as for `neutron.ask`; ``external``: ``name``, ``physical`` (the network's name below
            Neutron), ``cidr``, ``gateway``, ``first`` and ``last`` address for floating IPs;
            ``wait_s`` until Neutron answers.

    Returns:
        ``wrong``: words, none where all is well.

    Raises:
        NotReady: Neutron cannot be asked yet.
    """
    network = _network(args)
    if network is None:
        return {"wrong": ["network: absent"]}
    wanted, wrong = args["external"], []
    if not network["router:external"] or network.get("provider:physical_network") != wanted["physical"]:
        wrong.append(f"network: there is another one called {wanted['name']}")
    subnet = _subnet(args, network["id"])
    if subnet is None:
        return {"wrong": [*wrong, "subnet: absent"]}
    if subnet["allocation_pools"] != _pools(wanted):
        wrong.append("subnet: other addresses for floating IPs")
    if subnet["gateway_ip"] != wanted["gateway"]:
        wrong.append("subnet: another gateway")
    return {"wrong": wrong}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Make what is absent, change what differs.

    Raises:
        Failed: Neutron refuses; or another network has the name, which is left alone.
    """
    last: dict[str, Any] = {}
    if not tools.wait_until(lambda: bool(last.update(look(args)) or True), args["wait_s"]):
        last.update(look(args))
    wanted, network = args["external"], _network(args)
    if network is None:
        body = {
            "name": wanted["name"],
            "router:external": True,
            "provider:network_type": "flat",
            "provider:physical_network": wanted["physical"],
        }
        network = neutron.ask(args, "POST", "/networks", {"network": body}, (201,))["network"]
    elif any(word.startswith("network:") for word in last["wrong"]):
        said = f"it is not external on {wanted['physical']}; give yours another name in cluster.yaml"
        raise tools.Failed(f"there is another network called {wanted['name']}", said)
    subnet = _subnet(args, network["id"])
    addresses = {"allocation_pools": _pools(wanted), "gateway_ip": wanted["gateway"]}
    if subnet is None:
        body = {"name": wanted["name"], "network_id": network["id"], "ip_version": 4, "cidr": wanted["cidr"]}
        body |= {"enable_dhcp": False, **addresses}
        neutron.ask(args, "POST", "/subnets", {"subnet": body}, (201,))
        return
    neutron.ask(args, "PUT", f"/subnets/{subnet['id']}", {"subnet": addresses})


def _network(args: dict[str, Any]) -> dict[str, Any] | None:
    found = neutron.ask(args, "GET", f"/networks?name={args['external']['name']}")["networks"]
    return found[0] if found else None


def _subnet(args: dict[str, Any], network: str) -> dict[str, Any] | None:
    found = neutron.ask(args, "GET", f"/subnets?network_id={network}")["subnets"]
    return next((one for one in found if one["cidr"] == args["external"]["cidr"]), None)


def _pools(wanted: dict[str, Any]) -> list[dict[str, str]]:
    return [{"start": wanted["first"], "end": wanted["last"]}]
