"""The cache: on the cluster's network only, and judged by a value that comes back."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_things import NODES, plane, text

from quorate.node import memcached as node_memcached
from quorate.services.base import Health
from quorate.services.memcached import judge


@pytest.mark.parametrize("node", NODES)
def test_it_listens_on_the_cluster_network_only(tmp_path: Path, node: str) -> None:
    its = plane(tmp_path, memcached={"memory_mb": 32})
    lines = text(its, node, "/etc/memcached.conf").splitlines()
    assert [line for line in lines if line.startswith("-l")] == [f"-l {its.ctx.cluster.address(node)}"]
    assert "-U 0" in lines and "-m 32" in lines


class Store(socketserver.StreamRequestHandler):
    """Speaks as much of memcached's text protocol as the look needs."""

    forgets = False

    def handle(self) -> None:
        self.rfile.readline()
        value = self.rfile.readline().strip()
        self.wfile.write(b"STORED\r\n")
        if not self.forgets:
            self.wfile.write(b"VALUE quorate-probe 0 %d\r\n%s\r\n" % (len(value), value))
        self.wfile.write(b"END\r\nSTAT curr_connections 7\r\nSTAT version 1.6\r\nEND\r\n")


class Forgetful(Store):
    forgets = True


@pytest.fixture(params=[Store, Forgetful])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[int, bool]]:
    with socketserver.TCPServer(("127.0.0.1", 0), request.param) as listening:
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield listening.server_address[1], not request.param.forgets
        listening.shutdown()


def test_a_value_that_does_not_come_back_is_a_failure(server: tuple[int, bool]) -> None:
    port, keeps = server
    state = node_memcached.look({"host": "127.0.0.1", "port": port, "timeout_s": 2})
    assert state["kept"] is keeps
    assert judge(state).health is (Health.OK if keeps else Health.FAILED)


def test_nobody_listening_is_a_failure_with_a_reason() -> None:
    state = node_memcached.look({"host": "127.0.0.1", "port": 1, "timeout_s": 1})
    assert judge(state).health is Health.FAILED and judge(state).text
