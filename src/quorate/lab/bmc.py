"""One machine's BMC: IPMI 2.0 over LAN (RMCP+), its chassis commands wired to the machine's power switch.

Run as ``python -m quorate.lab.bmc <node folder>``: a process of its own, so that it answers while the machine
is off, hung or frozen. The password comes from a file that only root can read. It can be told to behave as
bad ones do (`quorate.lab.behaviour`), at any time and by any process.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from pyghmi.ipmi.bmc import Bmc

from quorate.errors import QuorateError
from quorate.lab import behaviour, hardware, power
from quorate.lab.behaviour import Kind
from quorate.lab.layout import NodeFolder

NOT_IN_THIS_STATE = 0xD5
"""IPMI 2.0, table 5-2: the command is not supported in the present state."""
UNSPECIFIED = 0xFF
"""IPMI 2.0, table 5-2: unspecified error."""


class NodeBmc(Bmc):  # type: ignore[misc]
    """Answers chassis power commands for the machine in ``folder``."""

    def __init__(self, folder: NodeFolder, machine: hardware.Machine, bmc: hardware.BmcAddress) -> None:
        password = Path(bmc.password_file).read_text().strip()
        super().__init__({bmc.user: password}, port=bmc.port, address=bmc.address)
        self.folder, self.node = folder, machine.node
        self._claim: int | None = None
        """What a liar says of the power, once it was told to change it."""

    def sessionless_data(self, data: bytes, sockaddr: tuple[object, ...]) -> None:
        """A packet from nobody that it knows yet; a dead one does not even say hello."""
        if behaviour.read(self.folder).kind is not Kind.DEAD:
            super().sessionless_data(data, sockaddr)

    def handle_raw_request(self, request: dict[str, Any], session: Any) -> None:
        """A command in a session. Slow: it comes to it late. Dead: never."""
        now = behaviour.read(self.folder)
        if now.kind is Kind.DEAD:
            return
        if now.kind is not Kind.LYING:
            self._claim = None
        time.sleep(now.delay_s)  # it does one thing at a time, as small controllers do
        super().handle_raw_request(request, session)

    def _switch(self, what: str) -> int:
        if behaviour.read(self.folder).kind is Kind.LYING:
            self._claim = int(what != "off")
            _log(f"power {what}: said so, and did nothing")
            return 0
        started = time.monotonic()
        try:
            {"off": power.off, "on": power.on, "reset": power.reset}[what](self.folder)
        except (QuorateError, OSError) as error:
            _log(f"power {what} failed: {error}")
            return UNSPECIFIED
        _log(f"power {what} took {time.monotonic() - started:.3f} s")
        return 0

    def get_power_state(self) -> int:
        """1 while any process of the machine lives; of a liar, what it was last told to make of it."""
        return self._claim if self._claim is not None else int(power.is_on(self.folder))

    def power_off(self) -> int:
        """Cut the power."""
        return self._switch("off")

    def power_on(self) -> int:
        """Give power."""
        return self._switch("on")

    def power_cycle(self) -> int:
        """Off and on; refused while it is off (IPMI 2.0, 28.3)."""
        return self._switch("reset") if self.get_power_state() else NOT_IN_THIS_STATE

    def power_reset(self) -> int:
        """Hard reset; refused while it is off."""
        return self.power_cycle()


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stderr.flush()


def main(argv: list[str]) -> int:
    """Serve until killed. ``argv``: the node folder."""
    folder = NodeFolder(Path(argv[0]))
    try:
        machine = hardware.load(folder)
        if machine.bmc is None:
            _log(f"{machine.node} has no BMC")
            return 1
        server = NodeBmc(folder, machine, machine.bmc)
    except (QuorateError, OSError) as error:
        _log(f"cannot start: {error}")
        return 1
    behaviour.write(folder, behaviour.NORMAL)  # a new one is an honest one
    _log(f"listening on {machine.bmc.address}:{machine.bmc.port}")
    server.listen(timeout=3600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
