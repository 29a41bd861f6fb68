"""The services' steps of a tenant's day: who is cleared away, what is asked, what is said when it fails."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import guest_things
import nova_things
import pytest
from service_things import plane

from quorate.errors import QuorateError
from quorate.home import Home
from quorate.operations.day import planned
from quorate.services.base import Outside
from quorate.services.clients import compute, guest, storage
from quorate.services.clients.cloud import Cloud
from quorate.services.day import account, remains, servers
from quorate.services.day.contract import ADMINISTRATOR, PREFIX, REQUEST_HEADER, TENANT, Day, Hour, fresh_name
from quorate.services.registry import platform
from quorate.spec.model import Cluster

NOW, HERE = 2_000_000_000.0, socket.gethostname()


def a_day(**made: str) -> Day:
    async def clear(_: Day) -> list[str]:
        return []

    accounts = {
        who: Cloud(cast(Any, None), "token", {}, "project", "user", {}) for who in (ADMINISTRATOR, TENANT)
    }
    outside = cast(Outside, SimpleNamespace(ask=None))
    return Day(outside, f"{PREFIX}1-x", AsyncExitStack(), clear, dict(made), accounts)


def titles(steps: Any) -> list[tuple[str, str]]:
    return [(step.service, step.title) for step in steps]


def test_the_whole_platform_has_a_day_from_account_to_nothing_left(tmp_path: Path) -> None:
    steps = planned(nova_things.nova(tmp_path).day_steps())
    # This platform has no Neutron, so no network to boot a server in: what is left is a day with images.
    assert ("glance", "upload the guest image") in titles(steps)
    assert not any(step.hour is Hour.SERVER for step in steps)
    assert ("ceph", "no block device is left") in titles(steps)
    assert [step.hour for step in steps] == sorted(step.hour for step in steps)


def test_the_whole_cloud_has_a_day_with_everything_in_its_order(tmp_path: Path) -> None:
    home = Home(tmp_path / "demo")
    (home.path / "secrets").mkdir(parents=True)
    for node in guest_things.SPEC["nodes"]:
        path = home.path / "secrets" / f"bmc-{node}"
        path.write_text("hunter2")
        path.chmod(0o600)
    names = ["keystone", "glance", "placement", "nova", "cinder", "swift", "horizon", "neutron", "galera"]
    services: dict[str, Any] = {name: {"vip": f"10.77.1.{120 + n}"} for n, name in enumerate(names)}
    names = ["rabbitmq", "memcached", "ceph", "ovn", "etcd", "nova-compute", "cinder-volume"]
    services |= {name: {} for name in names}
    services["neutron"] = {**services["neutron"], "options": {"external": {}}}
    cluster = Cluster.model_validate({**guest_things.SPEC, "services": services})
    steps = planned(platform(cluster, home).day_steps())
    order = [step.title for step in steps]
    for before, after in pairwise(
        [
            "log in as administrator",
            "create a project and a user, log in",
            "upload the guest image",
            "boot a server",
            "give the server a floating IP",
            "it answers on its floating IP, and knows its metadata",
            "attach the volume to the server",
            "write 4 MiB from within the server, read them back",
            "take a snapshot of the volume",
            "move it live to another compute; it answers there",
            "the moved server reads the volume",
            "delete the server",
            "delete the volumes and snapshots",
            "delete the user and the project",
            "no block device is left",
        ]
    ):
        assert order.index(before) < order.index(after)
    assert {step.service for step in steps if step.hour is Hour.GONE} == {
        "keystone", "glance", "neutron", "nova", "cinder", "placement", "ceph",
    }  # fmt: skip
    assert len(order) == len(planned(steps))


def test_the_identity_plane_has_no_day(tmp_path: Path) -> None:
    assert planned(plane(tmp_path).day_steps()) == []


def test_one_compute_alone_moves_nothing() -> None:
    moves = [[step.hour for step in servers.steps("nova", movable=able)] for able in (True, False)]
    assert Hour.MOVE in moves[0] and Hour.MOVE not in moves[1]


@pytest.mark.parametrize(
    ("name", "description", "over"),
    [
        (f"{PREFIX}1999999900-a", f"quorate; host and process: {HERE} {os.getpid()}", False),
        (f"{PREFIX}1999999900-a", f"quorate; host and process: {HERE} 999999999", True),
        (f"{PREFIX}1999999900-a", "quorate; host and process: elsewhere 1", False),
        (f"{PREFIX}1999990000-a", "quorate; host and process: elsewhere 1", True),
        (f"{PREFIX}1999999900-a", "", False),
        (f"{PREFIX}nonsense", "", True),
    ],
)
def test_a_day_is_over_once_its_process_is_gone_or_it_is_too_old(
    name: str, description: str, over: bool
) -> None:
    assert account.over({"name": name, "description": description}, HERE, NOW) is over


def test_names_of_days_tell_when_they_began() -> None:
    name = fresh_name()
    assert not account.over({"name": name, "description": f"x {HERE} {os.getpid()}"}, HERE, NOW - 10**9)
    assert name.startswith(PREFIX) and name != fresh_name()


def test_a_steps_requests_carry_its_id_and_are_remembered_with_it() -> None:
    day = a_day()
    assert REQUEST_HEADER not in day.tenant.headers
    step = Day(day.outside, day.name, day.stack, day.clear, day.made, day.accounts, ["r"], "req-1")
    assert step.tenant.headers[REQUEST_HEADER] == "req-1" and step.tenant.requests is step.requests
    assert step.tenant.version(x="y").requests is step.requests


def test_nobody_acts_who_is_not_logged_in() -> None:
    with pytest.raises(QuorateError, match="no tenant is logged in"):
        _ = a_day().other("x").tenant


async def test_a_server_that_does_not_answer_is_shown_by_its_own_console(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def log(*_: Any, **__: Any) -> str:
        return "Kernel panic - not syncing"

    async def facts(_: str) -> Mapping[str, Any]:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(compute, "log", log)
    monkeypatch.setattr(guest, "facts", facts)
    monkeypatch.setattr(servers, "ANSWER_S", 0.0)
    (step,) = [one for one in servers.steps("nova", movable=True) if one.hour is Hour.ANSWER]
    with pytest.raises(QuorateError, match="ConnectionRefusedError refused") as caught:
        await step.run(a_day(address="10.0.0.1", server="s"))
    assert caught.value.evidence == "Kernel panic - not syncing"


async def test_a_guest_with_anothers_metadata_or_started_again_is_not_the_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def facts(_: str) -> dict[str, Any]:
        return {"instance_id": "s", "boot_id": "b2"}

    monkeypatch.setattr(guest, "facts", facts)
    assert (await guest.answers("a", instance="s", boot="b2", within_s=0))["boot_id"] == "b2"
    with pytest.raises(QuorateError, match="started again"):
        await guest.answers("a", instance="s", boot="b1", within_s=0)
    with pytest.raises(QuorateError, match="its metadata says that it is s"):
        await guest.answers("a", instance="other", within_s=0)


async def test_a_volume_is_found_in_the_guest_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = "7d1ef2b4-3a58-4c8d-9b1c-0123456789ab"

    async def facts(_: str) -> dict[str, Any]:
        return {"disks": [{"name": "vda", "serial": ""}, {"name": "vdb", "serial": volume[:20]}]}

    monkeypatch.setattr(guest, "facts", facts)
    assert await guest.disk("a", volume, within_s=0) == "vdb"
    with pytest.raises(QuorateError, match="vda, vdb 7d1e"):
        await guest.disk("a", "another", within_s=0)


def test_what_is_written_is_known_beforehand() -> None:
    # python3 -c 'import hashlib; n = 1 << 20; print(hashlib.sha256((b"WORD\n" * n)[:n]).hexdigest())'
    assert guest.content(1, "WORD") == "e104e0b6f9b297d1a863fbc565e0b0365d0c09fdef920405416759f20bf7add4"


@pytest.mark.parametrize(("listed", "left"), [(["x", "rbd-s_disk"], True), (["x", "y"], False)])
async def test_block_devices_of_the_day_are_found_by_its_ids(
    listed: list[str], left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def devices(*_: Any) -> list[str]:
        return listed

    monkeypatch.setattr(storage, "devices", devices)
    (step,) = remains.devices("ceph", nodes=("c1",), pools={"vms": "nova"})
    if left:
        with pytest.raises(QuorateError, match="vms/rbd-s_disk"):
            await step.run(a_day(server="rbd-s"))
    else:
        assert "1 ids in vms" in await step.run(a_day(server="rbd-s"))


async def test_block_devices_are_asked_for_where_somebody_answers() -> None:
    asked: list[str] = []

    async def ask(node: str, kind: str, args: Mapping[str, Any], timeout_s: float) -> Mapping[str, Any]:
        asked.append(node)
        if node == "c1":
            raise QuorateError("it is off")
        return {"names": [f"{args['pool']}-{args['client']}"]}

    outside = cast(Outside, SimpleNamespace(ask=ask))
    assert await storage.devices(outside, ("c1", "c2", "c3"), "vms", "nova") == ["vms-nova"]
    assert asked == ["c1", "c2"]
    with pytest.raises(QuorateError, match="cannot be listed"):
        await storage.devices(outside, ("c1",), "vms", "nova")
