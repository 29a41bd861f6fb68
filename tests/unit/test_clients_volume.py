"""A tenant's steps with volumes: what they wait for, and what they say when it goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from quorate.errors import QuorateError
from quorate.services.clients import volume
from quorate.services.clients.cloud import Cloud


class Cinder:
    """A cloud whose one volume or snapshot goes through ``states``, one a look, and stays in the last."""

    def __init__(self, *states: str | None, type: str = "block-storage", **answers: dict[str, Any]) -> None:
        self.states: Iterator[str | None] = iter(states)
        self.now: str | None = None
        self.catalogue = {type: "https://volumes"}
        self.answers, self.calls = answers, list[tuple[str, str, Any]]()

    def version(self, **headers: str) -> Cinder:
        assert headers == {"OpenStack_API_Version": volume.VERSION}
        return self

    async def call(self, method: str, service: str, path: str, body: Any = None, **_: Any) -> dict[str, Any]:
        assert service in self.catalogue
        self.calls.append((method, path, body))
        kind = path.split("/")[1].partition("?")[0]
        if method == "GET" and path.count("/") == 2:
            self.now = next(self.states, self.now)
            return {kind[:-1]: {"id": "v", "status": self.now}} if self.now else {}
        return self.answers.get(kind, {kind: []})


def cloud(cinder: Cinder) -> Cloud:
    return cast(Cloud, cinder)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(_: float) -> None:
        return None

    monkeypatch.setattr("quorate.services.clients.cloud.asyncio.sleep", sleep)


@pytest.mark.parametrize("type", ["block-storage", "volumev3"])
async def test_a_volume_is_waited_for(type: str) -> None:
    cinder = Cinder("creating", "downloading", "available", type=type)
    assert (await volume.ready(cloud(cinder), "volume", "v"))["status"] == "available"


async def test_a_volume_in_error_is_told_with_what_cinder_says_and_the_request() -> None:
    said = {"messages": [{"user_message": "allocate volume: no room.", "request_id": "req-1"}]}
    with pytest.raises(QuorateError, match=r"in error: allocate volume: no room\. \(req-1\)"):
        await volume.ready(cloud(Cinder("creating", "error", messages=said)), "volume", "v")


async def test_one_that_never_comes_is_given_up() -> None:
    with pytest.raises(QuorateError, match="is available: not within 0 s; seen last: creating"):
        await volume.ready(cloud(Cinder("creating")), "snapshot", "v", within_s=0)


async def test_deleted_is_gone_or_it_is_told_why_not() -> None:
    await volume.delete(cloud(Cinder("deleting", "deleting", None)), "volume", "v")
    with pytest.raises(QuorateError, match=r"cannot be deleted \(error_deleting\): no reason given"):
        await volume.delete(cloud(Cinder("deleting", "error_deleting")), "volume", "v")


async def test_snapshots_go_before_their_volumes() -> None:
    cinder = Cinder(volumes={"volumes": [{"id": "v"}]}, snapshots={"snapshots": [{"id": "s"}]})
    await volume.delete_named(cloud(cinder), "mine")
    assert [path for method, path, _ in cinder.calls if method == "DELETE"] == ["/snapshots/s", "/volumes/v"]


async def test_what_is_left_is_told() -> None:
    cinder = Cinder(volumes={"volumes": [{"id": "v"}]})
    assert await volume.left(cloud(cinder), "mine") == ["volume v"]


async def test_a_cloud_without_volumes_is_told_by_what_it_has() -> None:
    with pytest.raises(QuorateError, match="it has image"):
        await volume.create(cloud(Cinder(type="image")), name="x")
