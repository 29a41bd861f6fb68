"""One machine's BMC: IPMI 2.0 over LAN (RMCP+), its chassis commands wired to the machine's power switch.

Run as ``python -m quorate.lab.bmc <node folder>``: a process of its own, so that it answers while the machine
is off, hung or frozen. The password comes from a file that only root can read.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pyghmi.ipmi.bmc import Bmc

from quorate.errors import QuorateError
from quorate.lab import hardware, power
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

    def _switch(self, what: str) -> int:
        started = time.monotonic()
        try:
            {"off": power.off, "on": power.on, "reset": power.reset}[what](self.folder)
        except (QuorateError, OSError) as error:
            _log(f"power {what} failed: {error}")
            return UNSPECIFIED
        _log(f"power {what} took {time.monotonic() - started:.3f} s")
        return 0

    def get_power_state(self) -> int:
        """1 while any process of the machine lives."""
        return int(power.is_on(self.folder))

    def power_off(self) -> int:
        """Cut the power."""
        return self._switch("off")

    def power_on(self) -> int:
        """Give power."""
        return self._switch("on")

    def power_cycle(self) -> int:
        """Off and on; refused while it is off (IPMI 2.0, 28.3)."""
        return self._switch("reset") if power.is_on(self.folder) else NOT_IN_THIS_STATE

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
    _log(f"listening on {machine.bmc.address}:{machine.bmc.port}")
    server.listen(timeout=3600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
