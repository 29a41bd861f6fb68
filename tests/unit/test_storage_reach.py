"""A service's own way to its pool: asked for with its key, and what Ceph answers in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nova_things import nova
from openstack_things import cloud

from quorate.node import ceph, ceph_pool
from quorate.services.base import Health
from quorate.services.storage import reach

ARGS = {"pool": "images", "client": "glance", "timeout_s": 2.0}
GOOD = {"answers": [{"code": 0, "out": "overwrite validated", "err": ""}]}
REFUSED = "[errno 1] RADOS permission error (Ioctx.read(images): failed to read rbd_info)"
NO_POOL = "[errno 2] RADOS object not found (error opening pool 'images')"
NO_KEY = "[errno 2] RADOS object not found (error connecting to the cluster)"
"""As Ceph 18.2 said them."""


def answered(monkeypatch: pytest.MonkeyPatch, folder: Path, said: dict[str, Any]) -> Path:
    """A stand-in for the program that asks; what it was asked is in the file that comes back."""
    program, asked = folder / "ask", folder / "asked"
    program.write_text(f"#!/bin/sh\ncat > {asked}\ncat <<'END'\n{json.dumps(said)}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setattr(ceph, "PROGRAM", str(program))
    return asked


def test_it_is_read_with_the_services_own_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = answered(monkeypatch, tmp_path, GOOD)
    state = ceph_pool.look(ARGS)
    assert state["error"] == "" and state["ms"] >= 0
    request = json.loads(asked.read_text())
    assert request["client"] == "glance"
    assert [(step["do"], step["pool"], step["object"]) for step in request["steps"]] == [
        ("read", "images", "rbd_info")
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"answers": [{"code": 1, "out": "", "err": REFUSED}]}, "permission error"),
        ({"answers": [{"code": 2, "out": "", "err": NO_POOL}]}, "error opening pool 'images'"),
        ({"error": NO_KEY}, "error connecting to the cluster"),
    ],
)
def test_what_stands_in_the_way_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: dict[str, Any], words: str
) -> None:
    answered(monkeypatch, tmp_path, said)
    state = ceph_pool.look(ARGS)
    assert words in state["error"]
    found = reach.judge(state, pool="images", use="images can be neither stored nor read")
    assert found.health is Health.FAILED and found.next_step
    assert found.text.startswith("the pool images cannot be read, so images can be neither stored nor read: ")
    assert words in found.text


def test_a_node_without_the_program_is_no_good_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ceph, "PROGRAM", str(tmp_path / "none"))
    assert "there is no" in ceph_pool.look(ARGS)["error"]


def test_a_pool_that_was_read() -> None:
    found = reach.judge({"error": "", "ms": 40}, pool="images", use="…")
    assert (found.health, found.text, found.next_step) == (Health.OK, "reads its pool images", "")


def test_images_are_looked_for_on_controllers_and_disks_on_computes(tmp_path: Path) -> None:
    images = [one for one in cloud(tmp_path / "a", glance={}).probes() if one.kind == "ceph_pool"]
    assert {(one.node, one.args["pool"], one.args["client"]) for one in images} == {
        (node, "images", "glance") for node in ("c1", "c2", "c3")
    }
    disks = [one for one in nova(tmp_path / "b").probes() if one.service == "nova-compute"]
    pools = {(one.node, one.args["pool"], one.args["client"]) for one in disks if one.kind == "ceph_pool"}
    assert pools == {("n1", "vms", "nova"), ("n2", "vms", "nova")}
