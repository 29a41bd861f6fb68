"""Lab tests share one plane: raised once for the run, put back from a snapshot where a test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.lab.plane import Plane, example, must, quorate

NAME = "t-plane"


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A verified identity plane, saved as a snapshot; taken down at the end."""
    if os.geteuid() != 0:
        pytest.fail("lab tests start machines on this host and need root; scripts/test unit does not")
    quorate("lab", "down", "--name", NAME)
    file = example("identity.yaml", NAME, tmp_path_factory.mktemp("plane"), "10.78.")
    must("lab", "up", str(file), timeout_s=1200)
    lab = Plane(NAME)
    lab.must("lab", "save", NAME)
    yield lab
    must("lab", "down", "--name", NAME)
    lab.must("lab", "snapshots", "--remove", NAME)


@pytest.fixture
def healthy(plane: Plane) -> Plane:
    """The plane, proved healthy before the test starts."""
    plane.healthy()
    return plane
