"""sitecustomize.py: services take an answer of the message broker when it is there, not half a second later.

oslo.messaging looks for the answer to a call once in 0.5 s (amqpdriver.ReplyWaiters.get, since 14.8), so no
call takes less, and a live migration makes some thirty of them. Here it looks soon and often at first, then
less and less. No option does it. Python loads this module by itself, from PYTHONPATH (site, "sitecustomize"),
and it touches nothing until the driver is loaded. Written by quorate.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any

DRIVER = "oslo_messaging._drivers.amqpdriver"
SHORTEST_S, LONGEST_S = 0.005, 0.5
PART = 10
"""Between two looks: this part of the time that the call has taken so far."""


def soon(driver: Any) -> Any:
    """``ReplyWaiters.get`` for ``driver``. Nor does it block: heartbeats may need the thread (lp-2035113)."""

    def get(self: Any, msg_id: str, timeout: float | None) -> Any:
        began = time.monotonic()
        while True:
            try:
                return self._queues[msg_id].get(block=False)
            except driver.queue.Empty:
                waited = time.monotonic() - began
            if timeout is not None and waited >= timeout:
                text = f"Timed out waiting for a reply to message ID {msg_id}"
                raise driver.oslo_messaging.MessagingTimeout(text)
            time.sleep(min(LONGEST_S, max(SHORTEST_S, waited / PART)))

    return get


class Finder:
    """Finds the driver as Python does, and changes it once it has been loaded."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != DRIVER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            if hasattr(getattr(module, "ReplyWaiters", None), "get"):
                module.ReplyWaiters.get = soon(module)

        setattr(spec.loader, "exec_module", exec_module)  # noqa: B010 - mypy takes an assignment for a mistake
        return spec


sys.meta_path.insert(0, Finder())
