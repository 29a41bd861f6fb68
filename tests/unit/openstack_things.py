"""A platform with OpenStack's services on it, and how to read what oslo.config will read."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

from service_things import NODES, SPEC, VIPS

from quorate.home import Home
from quorate.services.registry import Platform, platform
from quorate.spec.model import Cluster

CLOUD_VIPS = {"placement": "10.77.1.104", "glance": "10.77.1.105"}


def cloud(folder: Path, **services: dict[str, Any]) -> Platform:
    """The identity plane, Ceph, and ``services`` on it, each with its part of cluster.yaml.

    Those of `CLOUD_VIPS` get their address here.
    """
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True)
    for node in NODES:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    every: dict[str, Any] = {name: {"vip": address} for name, address in VIPS.items()}
    every |= {"rabbitmq": {}, "memcached": {}, "ceph": {}}
    every |= {
        name: ({"vip": CLOUD_VIPS[name]} if name in CLOUD_VIPS else {}) | said
        for name, said in services.items()
    }
    return platform(Cluster.model_validate({**SPEC, "services": every}), home)


def parsed(content: str) -> configparser.RawConfigParser:
    """A configuration file of a service."""
    parser = configparser.RawConfigParser()
    parser.read_string(content)
    return parser
