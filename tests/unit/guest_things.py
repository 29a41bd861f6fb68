"""A platform with computes and guests' networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import service_things

from quorate.home import Home
from quorate.services.registry import Platform, platform
from quorate.spec.model import Cluster

COMPUTES = {
    node: {
        "roles": ["compute"],
        "addresses": {
            "cluster": f"10.77.0.2{node[1]}",
            "api": f"10.77.1.2{node[1]}",
            "tunnel": f"10.77.3.2{node[1]}",
        },
        "bmc": {"address": f"10.77.2.2{node[1]}", "password_file": f"secrets/bmc-{node}"},
    }
    for node in ("n1", "n2")
}
CONTROLLERS = {
    name: {**node, "addresses": {**node["addresses"], "tunnel": f"10.77.3.1{name[1]}"}}
    for name, node in service_things.SPEC["nodes"].items()
}
SPEC: dict[str, Any] = {
    **service_things.SPEC,
    "networks": {
        **service_things.SPEC["networks"],
        "tunnel": {"cidr": "10.77.3.0/24", "use": "tunnels"},
        "provider": {"cidr": "10.77.4.0/24", "use": "guests"},
    },
    "nodes": {**CONTROLLERS, **COMPUTES},
    "services": {"ovn": {}},
}


def guests(folder: Path, **options: Any) -> Platform:
    """Three controllers and two computes with nothing but OVN, with ``options`` of it."""
    home = Home(folder / "demo")
    (home.path / "secrets").mkdir(parents=True)
    for node in SPEC["nodes"]:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    return platform(Cluster.model_validate({**SPEC, "services": {"ovn": {"options": options}}}), home)
