"""What several tests use: a spec that is right, to be made wrong one thing at a time."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from quorate.spec.catalogue import Catalogue, KnownService
from quorate.spec.model import Cluster, Mode

# A shell that starts the tests in the background has Ctrl-C ignored: tests of it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

GOOD: dict[str, Any] = {
    "apiVersion": "quorate/v1",
    "cluster": "demo",
    "networks": {
        "cluster": {"cidr": "10.77.0.0/24"},
        "api": {"cidr": "10.77.1.0/24"},
        "bmc": {"cidr": "10.77.2.0/24"},
    },
    "nodes": {
        f"c{number}": {
            "roles": ["controller"],
            "addresses": {"cluster": f"10.77.0.1{number}", "api": f"10.77.1.1{number}"},
            "bmc": {"address": f"10.77.2.1{number}", "password_file": f"secrets/bmc-c{number}"},
        }
        for number in (1, 2, 3)
    },
    "services": {"web": {"vip": "10.77.1.101"}, "portal": {"vip": "10.77.1.102"}},
}


class Limits(BaseModel):
    """A part of the options of ``web``."""

    model_config = ConfigDict(extra="forbid")

    requests: int = 100


class WebOptions(BaseModel):
    """Options of the made-up service ``web``."""

    model_config = ConfigDict(extra="forbid")

    workers: int = 2
    title: str = ""
    limits: Limits = Limits()


class NoOptions(BaseModel):
    """Options of services that have none."""

    model_config = ConfigDict(extra="forbid")


BOTH = (Mode.ACTIVE_ACTIVE, Mode.ACTIVE_PASSIVE)


@pytest.fixture
def good_spec() -> dict[str, Any]:
    """A cluster.yaml without a mistake, as data that the test may change."""
    return copy.deepcopy(GOOD)


@pytest.fixture
def good_cluster() -> Cluster:
    """The same, as a `Cluster`."""
    return Cluster.model_validate(GOOD)


@pytest.fixture
def services() -> Catalogue:
    """Made-up services: two with a virtual IP, a store that is always there, a cache."""
    return {
        "web": KnownService("web pages", BOTH, True, False, WebOptions),
        "portal": KnownService("a portal", BOTH, True, False, NoOptions, needs=("web", "store")),
        "store": KnownService("a store", (Mode.SELF,), False, True, NoOptions),
        "cache": KnownService("a cache", (Mode.SELF,), False, False, NoOptions),
    }


@pytest.fixture
def write_spec(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes data, or text as it is, to a cluster.yaml and returns its path."""

    def write(data: Any) -> Path:
        path = tmp_path / "cluster.yaml"
        with path.open("w") as file:
            if isinstance(data, str):
                file.write(data)
            else:
                YAML().dump(data, file)
        return path

    return write
