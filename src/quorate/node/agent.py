"""Takes one request, looks or fixes, and reports an item a line as it goes. Runs on the node, as root.

Request: ``{"op": "look" | "fix", "items": [{"id", "kind", "args", "timeout_s", "desired"?}], "lock"?}``.
Answers, one JSON object a line: ``{"start": id}`` before an item is fixed, then for each item
``{"id", "state"}`` or ``{"id", "error", "evidence"}``, for fixes with ``outcome`` (ok, changed, failed,
skipped), ``before`` and ``seconds``; at last ``{"end": true}``.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from quorate.node import tools

Item = dict[str, Any]
Tell = Callable[[Item], None]
LONGEST_LOOK_S = 60.0
"""Whatever an item allows, its look is given up after this."""
LOOKS_AT_ONCE = 3
"""Under way at the same time. A controller has dozens of things to look at, most by programs that it starts
and services that it asks: all at once they would keep each other, and its own work, from their deadlines."""
LOCK_WAIT_S = 30.0
"""How long a second agent waits for the first one that still fixes something on this node."""


class _Late(BaseException):
    """The item's time is up. Not an Exception, so that no kind swallows it."""


def main(request: Item) -> None:
    """Do ``request`` and end the process; threads that still wait for an answer do not hold it up."""
    os.umask(0o022)
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)

    def tell(line: Item) -> None:
        answers.write(json.dumps(line, separators=(",", ":")) + "\n")

    def gone() -> bool:
        poll = select.poll()
        poll.register(answers.fileno(), 0)
        return bool(poll.poll(0))

    if request["op"] == "look":
        for line in look_all(request["items"]):
            tell(line)
    else:
        with _Alone(request.get("lock", "")):
            fix_all(request["items"], tell, gone)
    tell({"end": True})
    sys.stderr.flush()
    os._exit(0)


def look_all(items: list[Item]) -> list[Item]:
    """The states of all items: a thread for each kind, and one for each item of the kinds that wait."""
    results: dict[str, Item] = {}
    looking: list[tuple[threading.Thread, list[Item], float, float]] = []
    free = threading.Semaphore(LOOKS_AT_ONCE)
    kinds = [(_module(kind), group) for kind, group in _by_kind(items).items()]
    # Those that wait come last: nobody has to wait for them.
    for module, group in sorted(kinds, key=lambda kind: getattr(kind[0], "WAITS", False)):
        batch = getattr(module, "look_many", None)
        for part in [[item] for item in group] if getattr(module, "WAITS", False) else [group]:
            allowed = min(LONGEST_LOOK_S, max(item["timeout_s"] for item in part))
            # Whoever got no place in its time has found all others stuck, and does not wait for them.
            free.acquire(timeout=allowed)
            job = _then(_job(module, batch, part, results), free.release)
            thread = threading.Thread(target=job, daemon=True)
            thread.start()
            looking.append((thread, part, allowed, time.monotonic()))
    for thread, part, allowed, begun in looking:
        thread.join(max(0.0, begun + allowed - time.monotonic()))
        if thread.is_alive():
            for item in part:
                error = f"no answer within {allowed:g} s"
                results.setdefault(item["id"], {"id": item["id"], "error": error, "evidence": ""})
    return [results[item["id"]] for item in items]


def fix_all(items: list[Item], tell: Tell, gone: Callable[[], bool] = lambda: False) -> None:
    """Look at all, then mend what is wrong, in order; each one that was mended is looked at again.

    One that fails leaves those after it untouched (``skipped``). Once nobody listens, nothing is begun.
    """
    states = {line["id"]: line for line in look_all(items)}
    fresh, failed = True, ""
    for item in items:
        if failed:
            tell(
                {
                    "id": item["id"],
                    "outcome": "skipped",
                    "error": f"{failed} failed before it",
                    "evidence": "",
                }
            )
            continue
        if gone():
            return
        tell({"start": item["id"]})
        begun = time.monotonic()
        result = _within(item, states[item["id"]] if fresh else None)
        if result["outcome"] != "ok":
            fresh = False
        if result["outcome"] == "failed":
            failed = item["id"]
        tell({"id": item["id"], **result, "seconds": round(time.monotonic() - begun, 3)})


def _job(module: Any, batch: Any, part: list[Item], results: dict[str, Item]) -> Callable[[], None]:
    def look() -> None:
        for item, found in zip(part, _look(module, batch, part), strict=True):
            results[item["id"]] = {"id": item["id"], **found}

    return look


def _then(job: Callable[[], None], last: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        try:
            job()
        finally:
            last()

    return both


def _mend(item: Item, seen: Item | None) -> Item:
    module, args, desired = _module(item["kind"]), item["args"], item["desired"]
    if seen is None or "error" in seen:
        seen = _look_until_ready(module, item)
    if "error" in seen:
        return {"outcome": "failed", "error": seen["error"], "evidence": seen["evidence"]}
    before = seen["state"]
    wrong = tools.differing(desired, before)
    if not wrong:
        return {"outcome": "ok", "state": before}
    if not hasattr(module, "fix"):
        return {
            "outcome": "failed",
            "error": f"{item['kind']} can only be looked at",
            "evidence": "",
            "before": before,
        }
    try:
        module.fix(args, desired, wrong)
    except Exception as error:  # noqa: BLE001 - whatever a kind raises is the item's failure
        return {"outcome": "failed", "before": before, **_error(error)}
    after = _look(module, getattr(module, "look_many", None), [item])[0]
    if "error" in after:
        return {"outcome": "failed", "before": before, **after}
    left = tools.differing(desired, after["state"])
    if left:
        text = ", ".join(f"{key} is {json.dumps(after['state'].get(key))}" for key in left)
        what = "it was mended without an error, but a second look says: "
        return {
            "outcome": "failed",
            "before": before,
            "state": after["state"],
            "error": what + text,
            "evidence": "",
        }
    return {"outcome": "changed", "before": before, "state": after["state"]}


def _look_until_ready(module: Any, item: Item) -> Item:
    """Look; where the kind says "not yet", again, until the alarm of the item rings or it answers."""
    deadline = time.monotonic() + item["timeout_s"] - 2 * tools.POLL_S
    while True:
        found = _look(module, getattr(module, "look_many", None), [item])[0]
        if not found.pop("not_ready", False) or time.monotonic() >= deadline:
            return found
        time.sleep(tools.POLL_S)


def _look(module: Any, batch: Any, items: list[Item]) -> list[Item]:
    try:
        if batch is None:
            return [_look_one(module, item) for item in items]
        found = batch([item["args"] for item in items])
    except Exception as error:  # noqa: BLE001 - a look that cannot be made is an answer too
        return [_error(error) for _ in items]
    return [_error(one) if isinstance(one, Exception) else {"state": one} for one in found]


def _look_one(module: Any, item: Item) -> Item:
    try:
        return {"state": module.look(item["args"])}
    except Exception as error:  # noqa: BLE001 - a look that cannot be made is an answer too
        return _error(error)


def _error(error: Exception) -> Item:
    if isinstance(error, tools.Failed):
        found: Item = {"error": str(error), "evidence": error.evidence}
        return found | ({"not_ready": True} if isinstance(error, tools.NotReady) else {})
    if isinstance(error, OSError):
        return {"error": str(error), "evidence": ""}
    import traceback

    return {"error": f"{type(error).__name__}: {error}", "evidence": traceback.format_exc()}


def _within(item: Item, seen: Item | None) -> Item:
    """Mend ``item`` within its time. Fixes are made in the main thread, where the alarm reaches them."""

    def ring(*_: object) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, item["timeout_s"])
    try:
        return _mend(item, seen)
    except _Late:
        return {"outcome": "failed", "error": f"not done within {item['timeout_s']:g} s", "evidence": ""}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _module(kind: str) -> Any:
    return sys.modules["quorate.node." + kind]


def _by_kind(items: Iterable[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item["kind"], []).append(item)
    return groups


class _Alone:
    """Holds the node's agent lock: an agent whose operator vanished and a new one never mend together."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.handle = -1

    def __enter__(self) -> None:
        if not self.path:
            return
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        self.handle = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if not tools.wait_until(self._taken, LOCK_WAIT_S):
            sys.stderr.write("another apply still changes something on this node\n")
            sys.stderr.flush()
            os._exit(75)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self.handle >= 0:
            os.close(self.handle)
