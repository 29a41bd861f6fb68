"""A tenant's steps with servers: what they wait for, and what they say when it goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import parse_qs

import pytest

from quorate.errors import QuorateError
from quorate.services.clients import compute
from quorate.services.clients.cloud import Cloud

HOST = "OS-EXT-SRV-ATTR:host"
TASK = "OS-EXT-STS:task_state"


class Answer:
    """As much of an answer as the steps read."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status, self._body = status, body

    async def json(self) -> dict[str, Any]:
        return self._body


class Nova:
    """A cloud whose server goes through ``states``, one a look, and stays in the last."""

    def __init__(self, *states: dict[str, Any] | None, **answers: dict[str, Any]) -> None:
        self.states: Iterator[dict[str, Any] | None] = iter(states)
        self.now: dict[str, Any] | None = {}
        self.answers, self.calls = answers, list[tuple[str, str, Any]]()

    def version(self, **headers: str) -> Nova:
        assert headers == {"OpenStack_API_Version": compute.VERSION}
        return self

    def _server(self) -> dict[str, Any] | None:
        self.now = next(self.states, self.now)
        return self.now

    async def call(self, method: str, service: str, path: str, body: Any = None, **_: Any) -> dict[str, Any]:
        self.calls.append((method, path, body))
        if method == "GET" and path == "/servers/s":
            return {"server": self._server()}
        if path.startswith("/servers?uuid=s"):
            self.now = self._server()
            wanted = parse_qs(path.partition("?")[2]).get("status")
            listed = self.now is not None and (wanted is None or self.now["status"] in wanted)
            return {"servers": [{"id": "s"}] if listed else []}
        last = path.rpartition("/")[2].partition("?")[0]
        return self.answers.get(last.replace("-", "_"), {})

    async def raw(self, method: str, service: str, path: str, **_: Any) -> Answer:
        server = self._server()
        return Answer(404, {}) if server is None else Answer(200, {"server": server})


def cloud(nova: Nova) -> Cloud:
    return cast(Cloud, nova)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        return None

    monkeypatch.setattr("quorate.services.clients.cloud.asyncio.sleep", sleep)


async def test_a_server_is_waited_for_until_nothing_is_under_way() -> None:
    nova = Nova(
        {"status": "BUILD", TASK: "spawning"},
        {"status": "ACTIVE", TASK: "migrating"},
        {"status": "ACTIVE", TASK: None, HOST: "n1"},
    )
    assert (await compute.active(cloud(nova), "s"))[HOST] == "n1"


async def test_a_server_in_error_is_told_with_the_fault_the_host_and_the_requests() -> None:
    nova = Nova(
        {"status": "ERROR", TASK: None, HOST: "n2", "fault": {"message": "No valid host was found."}},
        os_instance_actions={"instanceActions": [{"action": "create", "request_id": "req-1"}]},
    )
    with pytest.raises(QuorateError, match=r"No valid host was found\. \(on n2; create req-1\)"):
        await compute.active(cloud(nova), "s")


async def test_a_server_that_never_comes_up_is_given_up() -> None:
    with pytest.raises(QuorateError, match="BUILD, scheduling"):
        await compute.active(cloud(Nova({"status": "BUILD", TASK: "scheduling"})), "s", within_s=0)


class Moving(Nova):
    """A cloud with a migration that goes through ``statuses``, one a look, once it is asked for."""

    def __init__(self, *states: dict[str, Any], statuses: tuple[str, ...]) -> None:
        super().__init__(*states)
        self.statuses, self.past = list(statuses), [{"status": "completed", "dest_compute": "n1"}]

    async def call(
        self, method: str, service: str, path: str, body: Any = None, **more: Any
    ) -> dict[str, Any]:
        if not path.startswith("/os-migrations"):
            return await super().call(method, service, path, body, **more)
        assert path == "/os-migrations?instance_uuid=s"
        if all(asked != "POST" for asked, *_ in self.calls) or not self.statuses:
            return {"migrations": self.past}
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"migrations": [{"status": status, "dest_compute": "n2"}, *self.past]}


async def test_a_migration_that_went_nowhere_is_a_failure() -> None:
    stays = {"status": "ACTIVE", TASK: None, HOST: "n1"}
    with pytest.raises(QuorateError, match="still on n1: its migration: error, to n2"):
        await compute.live_migrate(cloud(Moving(stays, statuses=("error",))), "s")
    with pytest.raises(QuorateError, match="still on n1: its migration: none was made"):
        await compute.live_migrate(cloud(Moving(stays, statuses=())), "s")
    with pytest.raises(QuorateError, match="is over: not within 0 s; seen last: running, to n2"):
        await compute.live_migrate(cloud(Moving(stays, statuses=("running",))), "s", within_s=0)


async def test_while_a_server_moves_its_migration_is_asked_about_and_not_the_server() -> None:
    stays = {"status": "ACTIVE", TASK: None, HOST: "n1"}
    nova = Moving(stays, {**stays, HOST: "n2"}, statuses=("preparing", "running", "running", "completed"))
    assert await compute.live_migrate(cloud(nova), "s") == "n1 to n2"
    assert [path for method, path, _ in nova.calls if method == "GET"] == ["/servers/s"] * 2


async def test_a_server_is_asked_for_in_full_only_when_a_list_says_that_it_is_there_or_gone() -> None:
    building, there = {"status": "BUILD", TASK: "spawning"}, {"status": "ACTIVE", TASK: None, HOST: "n1"}
    nova = Nova(building, *[building] * 5, there, there)
    assert (await compute.active(cloud(nova), "s"))[HOST] == "n1"
    paths = [path for _, path, _ in nova.calls]
    assert paths[0] == paths[-1] == "/servers/s" and paths.count("/servers/s") == 2
    assert set(paths[1:-1]) == {"/servers?uuid=s&status=ACTIVE&status=ERROR"}

    leaving = {"status": "ACTIVE", TASK: "deleting"}
    nova = Nova(leaving, *[leaving] * 3, None)
    await compute.delete(cloud(nova), "s")
    assert [path for _, path, _ in nova.calls if "?" in path] == ["/servers?uuid=s"] * 4


async def test_a_deleted_server_is_gone_or_it_is_told_why_not() -> None:
    await compute.delete(cloud(Nova({"status": "ACTIVE", TASK: "deleting"}, None)), "s")
    with pytest.raises(QuorateError, match="cannot be deleted: no reason given"):
        await compute.delete(
            cloud(Nova({"status": "ERROR", TASK: None}, os_instance_actions={"instanceActions": []})), "s"
        )
    with pytest.raises(QuorateError, match="is gone: not within"):
        await compute.delete(cloud(Nova({"status": "ACTIVE", TASK: "deleting"})), "s", within_s=0)


async def test_a_server_is_asked_for_by_ids_and_with_what_more_there_is() -> None:
    nova = Nova(servers={"server": {"id": "new"}})
    made = await compute.create(
        cloud(nova), image="i", flavor="f", networks=[{"port": "p"}], name="x", user_data="dQ=="
    )
    sent = nova.calls[0][2]["server"]
    assert made == "new" and sent["networks"] == [{"port": "p"}] and sent["user_data"] == "dQ=="


async def test_a_flavor_that_is_not_there_is_told_with_those_that_are() -> None:
    nova = Nova(flavors={"flavors": [{"name": "m1.nano", "id": "1"}]})
    assert await compute.flavor(cloud(nova), "m1.nano") == "1"
    with pytest.raises(QuorateError, match=r"no flavor huge; there are: m1\.nano"):
        await compute.flavor(cloud(nova), "huge")


async def test_what_is_left_is_told_by_name() -> None:
    assert await compute.left(cloud(Nova(servers={"servers": [{"name": "b"}, {"name": "a"}]}))) == ["a", "b"]
