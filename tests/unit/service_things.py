"""A whole platform with every application service, and how to find what it says about a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quorate.home import Home
from quorate.resources.base import Resource
from quorate.services.registry import Platform, platform
from quorate.spec.model import Cluster

NODES = ("c1", "c2", "c3")
SPEC: dict[str, Any] = {
    "apiVersion": "quorate/v1",
    "cluster": "demo",
    "networks": {
        "cluster": {"cidr": "10.77.0.0/24"},
        "api": {"cidr": "10.77.1.0/24"},
        "bmc": {"cidr": "10.77.2.0/24"},
    },
    "nodes": {
        node: {
            "roles": ["controller"],
            "addresses": {"cluster": f"10.77.0.1{node[1]}", "api": f"10.77.1.1{node[1]}"},
            "bmc": {"address": f"10.77.2.1{node[1]}", "password_file": f"secrets/bmc-{node}"},
        }
        for node in NODES
    },
}
VIPS = {"galera": "10.77.1.101", "keystone": "10.77.1.102", "horizon": "10.77.1.103"}


def bare(names: Sequence[str], services: Mapping[str, Any] | None = None) -> Cluster:
    """A cluster for what reads the spec only: ``names`` with their addresses and BMCs."""
    nodes = {
        name: {
            "addresses": {"cluster": f"10.77.0.1{number}", "api": f"10.77.1.1{number}"},
            "bmc": {"address": f"10.77.2.1{number}", "password_file": f"bmc-{name}"},
        }
        for number, name in enumerate(names, 1)
    }
    networks = {"cluster": {"cidr": "10.77.0.0/24"}, "api": {"cidr": "10.77.1.0/24"}}
    said = {"apiVersion": "quorate/v1", "cluster": "demo", "networks": networks, "nodes": nodes}
    return Cluster.model_validate({**said, "services": dict(services or {})})


def plane(folder: Path, **options: dict[str, Any]) -> Platform:
    """All application services of a cluster whose home is ``folder``; ``options`` by service."""
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True)
    for node in NODES:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    services: dict[str, Any] = {name: {"vip": address} for name, address in VIPS.items()}
    services |= {"rabbitmq": {}, "memcached": {}}
    for name, values in options.items():
        services[name] = {**services[name], "options": values}
    return platform(Cluster.model_validate({**SPEC, "services": services}), home)


def on(its: Platform, node: str) -> dict[str, Resource]:
    """What should be on ``node``, by id."""
    return {placed.resource.id: placed.resource for placed in its.desired() if placed.node == node}


def text(its: Platform, node: str, path: str) -> str:
    """The content of the file ``path`` on ``node``."""
    return str(on(its, node)[f"file:{path}"].args["content"])


def settings(content: str) -> dict[str, str]:
    """``key = value`` lines; comments and section heads left out."""
    pairs = (line.split("=", 1) for line in content.splitlines() if "=" in line and line[:1] not in "#;[")
    return {key.strip(): value.strip() for key, value in pairs}
