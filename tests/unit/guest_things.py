"""A platform with computes and guests' networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import service_things

from quorate.home import Home
from quorate.node import tools
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


STATUS = """8eb1
Name: OVN_Northbound
Cluster ID: 64b0 (64b0e855-db16-4774-aa6a-4f040d68fd48)
Server ID: 8eb1 (8eb12236-0ed9-454d-bb63-68222886eda3)
Address: tcp:10.77.0.12:6643
Status: cluster member
Role: {role}
Term: 2
Leader: {leader}
Vote: dea2

Last Election started 75495 ms ago, reason: timeout
Election timer: 2000
Log: [2, 18]
Entries not yet committed: 0
Connections: <-babf ->babf <-29f1 ->29f1
Disconnections: 0
Servers:
    dea2 (dea2 at tcp:10.77.0.11:6643) next_index=3 match_index=17 last msg {silent} ms ago
    8eb1 (8eb1 at tcp:10.77.0.12:6643) (self)
    babf (babf at tcp:10.77.0.13:6643) next_index=18 match_index=17 last msg 63 ms ago
"""


class Node:
    """A node whose programs answer what they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str | tools.Done]) -> None:
        self.ran: list[list[str]] = []
        self.answers = answers
        monkeypatch.setattr(tools, "run", self.run)

    def run(self, argv: list[str], **_: Any) -> tools.Done:
        self.ran.append(list(argv))
        key = next((key for key in self.answers if key in " ".join(argv)), None)
        answer = self.answers[key] if key else tools.Done(1, "", f"nobody expected {argv}")
        return tools.Done(0, answer, "") if isinstance(answer, str) else answer
