"""Whether a worker of Cinder lives and the schedulers know its storage. Fixing is waiting."""

from __future__ import annotations

from typing import Any

from quorate.node import cinder, tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """What `cinder.look` finds, in short.

    Args:
        args: as for `cinder.look`; ``binary`` and ``host`` of the worker.

    Returns:
        ``up``: it has given a sign of life; ``reported``: the storage of its kind has; ``error``.
    """
    found = cinder.look(args)
    backend = args["host"].partition("@")[2]
    own = [
        one for one in found["services"] if one["binary"] == args["binary"] and one["host"] == args["host"]
    ]
    return {
        "up": any(one["state"] == "up" for one in own),
        "reported": any(one["name"].partition("#")[0].endswith(f"@{backend}") for one in found["pools"]),
        "error": found["error"],
    }


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait for it, ``wait_s`` seconds.

    Raises:
        Failed: it is not so in time.
    """
    last: dict[str, Any] = {}

    def right() -> bool:
        last.update(look(args))
        return not tools.differing(desired, last)

    if not tools.wait_until(right, args["wait_s"]):
        said = last["error"] or (
            "it lives, and has not reported its storage" if last["up"] else "no sign of life"
        )
        raise tools.Failed(f"no volume could be made after {args['wait_s']:g} s", said)
