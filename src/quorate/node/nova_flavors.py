"""The sizes that servers can have: those that are missing are made through Nova's API."""

from __future__ import annotations

from typing import Any

from quorate.node import openstack, tools


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``missing``: names of ``flavors`` that Nova does not have.

    Args:
        args: ``url`` of Nova on this node (…/v2.1); ``access`` to Keystone (`quorate.node.openstack`);
            ``flavors``, by name; ``timeout_s`` of each request.

    Raises:
        NotReady: it cannot be asked for yet.
    """
    found = _nova(args).told("/flavors?is_public=None&limit=1000")
    there = {one["name"] for one in found["flavors"]}
    return {"missing": sorted(set(args["flavors"]) - there)}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Make those that are missing. Waits, ``wait_s`` seconds, until Nova answers."""
    last: dict[str, Any] = {}
    if not tools.wait_until(lambda: bool(last.update(look(args)) or True), args["wait_s"]):
        look(args)
    for name in last["missing"]:
        body = {"flavor": {"name": name, **args["flavors"][name]}}
        # 409: another one made it meanwhile.
        _nova(args).told("/flavors", method="POST", body=body, good=(200, 409))


def _nova(args: dict[str, Any]) -> openstack.Api:
    return openstack.Api("Nova", args["url"], args["access"], float(args["timeout_s"]))
