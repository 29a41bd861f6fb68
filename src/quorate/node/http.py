"""An HTTP answer, asked for on the node. HTTP/1.0 over a plain socket: quick to load, and nothing is kept."""

from __future__ import annotations

import socket
import time
from typing import Any

from quorate.node import tools

WAITS = True
LARGEST = 65536
"""Bytes of an answer that are read."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``status`` (0: no answer; ``error`` says why), ``match``: the text is in the body, ``seconds``."""
    begun = time.monotonic()
    try:
        raw = _get(args, begun + args["timeout_s"])
        head, _, body = raw.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
    except TimeoutError:
        return {"status": 0, "match": False, "error": f"no answer within {args['timeout_s']:g} s"}
    except OSError as error:
        return {"status": 0, "match": False, "error": error.strerror or str(error)}
    except (IndexError, ValueError):
        return {"status": 0, "match": False, "error": "what answered does not speak HTTP"}
    match = args.get("match", "").encode() in body
    return {"status": status, "match": match, "seconds": round(time.monotonic() - begun, 4)}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait for it."""
    last: dict[str, Any] = {}

    def right() -> bool:
        last.clear()
        last.update(look(args))
        return not tools.differing(desired, last)

    if not tools.wait_until(right, args["wait_s"]):
        said = last.get("error") or f"status {last['status']}" + (
            "" if last["match"] else ", without the text"
        )
        raise tools.Failed(f"{args['url']} is not as it should be after {args['wait_s']:g} s", said)


def _get(args: dict[str, Any], deadline: float) -> bytes:
    scheme, _, rest = args["url"].partition("://")
    place, slash, path = rest.partition("/")
    host, _, port = place.partition(":")
    number = int(port or (443 if scheme == "https" else 80))
    target = (host, number)
    if args.get("connect_to"):
        address, _, other = args["connect_to"].rpartition(":")
        target = (address, int(other))
    with socket.create_connection(target, timeout=_left(deadline)) as plain:
        plain.settimeout(_left(deadline))
        stream = _tls(plain, host, args) if scheme == "https" else plain
        lines = [f"GET {slash}{path} HTTP/1.0" if slash else "GET / HTTP/1.0", f"Host: {place}"]
        headers = {"User-Agent": "quorate", "Connection": "close", **args.get("headers", {})}
        lines += [f"{key}: {value}" for key, value in headers.items()]
        stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        raw = b""
        while len(raw) < LARGEST:
            stream.settimeout(_left(deadline))
            piece = stream.recv(LARGEST)
            if not piece:
                break
            raw += piece
        return raw


def _tls(plain: socket.socket, host: str, args: dict[str, Any]) -> socket.socket:
    import ssl

    context = ssl.create_default_context(cafile=args.get("ca") or None)
    if not args.get("verify", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
