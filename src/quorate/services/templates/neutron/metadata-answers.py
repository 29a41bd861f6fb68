"""metadata-answers.py SOCKET: whether Neutron's metadata agent on this node answers. For Pacemaker.

Asked for a network that there is not, it looks into what it knows of OVN's database and says 404. Ends with 1
where it says nothing. Standard library only.
"""

from __future__ import annotations

import socket
import sys

TIMEOUT_S = 4.0
QUESTION = (
    "GET / HTTP/1.1\r\nHost: quorate\r\nX-Forwarded-For: 192.0.2.1\r\n"
    "X-OVN-Network-ID: 00000000-0000-0000-0000-000000000000\r\nConnection: close\r\n\r\n"
)
"""192.0.2.1 is nobody's (RFC 5737)."""


def ask(path: str, timeout_s: float = TIMEOUT_S) -> str:
    """The first line of what the agent answers. Raises OSError where it does not."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout_s)
        client.connect(path)
        client.sendall(QUESTION.encode())
        return client.recv(4096).decode(errors="replace").partition("\r\n")[0]


def main(path: str) -> int:
    """Ask, and say it."""
    try:
        line = ask(path)
    except OSError as error:
        sys.stdout.write(f"no answer at {path}: {error.strerror or error}\n")
        return 1
    sys.stdout.write((line or "an empty answer") + "\n")
    return 0 if " 404 " in line else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
