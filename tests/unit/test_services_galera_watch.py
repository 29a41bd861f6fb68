"""The watcher of a database node that stays a donor for nobody: its judgement, against pages on loopback."""

from __future__ import annotations

import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from quorate.services.rendering import TEMPLATES

PROGRAM = (TEMPLATES / "galera/watch").read_text()
OWN, PEER = "127.0.0.1", "127.0.0.2"


@contextmanager
def pages(own: str, peer: str) -> Iterator[int]:
    """Health pages that say ``own`` and ``peer``, on one port of two addresses."""

    def handler(text: str) -> type[socketserver.StreamRequestHandler]:
        class Page(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{text}\n".encode())

        return Page

    with socketserver.TCPServer((OWN, 0), handler(own)) as first:
        port = first.server_address[1]
        with socketserver.TCPServer((PEER, port), handler(peer)) as second:
            for server in (first, second):
                threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield port
            second.shutdown()
            first.shutdown()


@pytest.mark.parametrize(
    ("own", "peer", "stuck"),
    [
        ("Donor/Desynced", "Synced", True),
        ("Donor/Desynced", "Joiner", False),
        ("Synced", "Synced", False),
    ],
)
def test_a_donor_is_stuck_only_while_all_others_are_synced(own: str, peer: str, stuck: bool) -> None:
    functions = PROGRAM.partition("\nwhile :; do")[0]
    with pages(own, peer) as port:
        asked = ["bash", "-c", functions + '\nstuck "$@"', "watch", "galera", "c1", str(port), OWN, PEER]
        assert (subprocess.run(asked, timeout=20, check=False).returncode == 0) is stuck
