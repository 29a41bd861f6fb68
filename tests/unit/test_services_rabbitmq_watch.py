"""The watcher of a broker that was left on the smaller side: when it acts, against pages on loopback."""

from __future__ import annotations

import json
import runpy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from quorate.services.rendering import TEMPLATES

WATCH = runpy.run_path(str(TEMPLATES / "rabbitmq" / "watch.py"))
ALONE = [
    {"name": "rabbit@c1", "running": True, "partitions": ["rabbit@c2", "rabbit@c3"]},
    {"name": "rabbit@c2", "running": False},
    {"name": "rabbit@c3", "running": False},
]
"""What a broker said for ten minutes after its controller's network had been away."""


def told(running: int, partitions: list[str], name: str = "rabbit@c1") -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = [
        {"name": f"rabbit@c{number}", "running": number <= running} for number in (1, 2, 3)
    ]
    next(one for one in nodes if one["name"] == name)["partitions"] = partitions
    return nodes


@pytest.mark.parametrize(
    ("nodes", "acts"),
    [
        (ALONE, True),
        (told(3, ["rabbit@c2", "rabbit@c3"]), True),
        (told(3, ["rabbit@c3"]), False),
        (told(2, ["rabbit@c3"]), False),
        (told(3, []), False),
        (told(1, []), False),
        ([], False),
    ],
    ids=[
        "alone",
        "alone, others seen",
        "larger side, others seen",
        "larger side",
        "whole",
        "others are off",
        "nothing said",
    ],
)
def test_only_the_smaller_side_of_a_split_is_restarted(nodes: list[dict[str, Any]], acts: bool) -> None:
    assert WATCH["apart"](nodes, "rabbit@c1", 3, lambda _: False) is acts


def test_a_broker_that_takes_another_for_gone_though_it_serves_is_apart() -> None:
    """What two sides said for minutes after nine seconds without the network; the larger one stays."""
    assert WATCH["apart"](told(1, []), "rabbit@c1", 3, lambda name: name == "rabbit@c3")
    assert not WATCH["apart"](told(2, []), "rabbit@c1", 3, lambda _: True)


@contextmanager
def page(nodes: Any) -> Iterator[dict[str, Any]]:
    """The management interface of a broker; the settings to ask it with."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers["Authorization"] == "Basic cTpw" else 401)
            self.end_headers()
            self.wfile.write(json.dumps(nodes).encode())

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield {"url": url, "user": "q", "password": "p", "node": "rabbit@c1", "members": 3, "port": 5672}
        server.shutdown()


def test_looks_are_counted_in_a_row() -> None:
    with page(ALONE) as settings:
        assert WATCH["look"](settings, 0) == 1
        assert WATCH["look"](settings, 1) == 2
        assert WATCH["look"]({**settings, "password": "x"}, 2) == 0, "no answer is no split"
    with page(told(3, [])) as settings:
        assert WATCH["look"](settings, 2) == 0
    assert WATCH["look"](settings, 2) == 0, "a broker that is down is systemd's"
