"""A platform with Nova on controllers and computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import guest_things
from service_things import VIPS

from quorate.home import Home
from quorate.services.registry import Platform, platform
from quorate.spec.model import Cluster

CLOUD_VIPS = {"placement": "10.77.1.104", "glance": "10.77.1.105", "nova": "10.77.1.107"}


def nova(folder: Path, nodes: dict[str, Any] | None = None, **options: dict[str, Any]) -> Platform:
    """The platform without Neutron, whose address Nova takes from the catalogue; ``options`` by service."""
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True)
    nodes = nodes or guest_things.SPEC["nodes"]
    for node in nodes:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    services: dict[str, Any] = {name: {"vip": address} for name, address in (VIPS | CLOUD_VIPS).items()}
    services |= {"rabbitmq": {}, "memcached": {}, "ceph": {}, "ovn": {}, "nova-compute": {}}
    for name, values in options.items():
        name = name.replace("_", "-")
        services[name] = {**services[name], "options": values}
    spec = {**guest_things.SPEC, "nodes": nodes, "services": services}
    return platform(Cluster.model_validate(spec), home)
