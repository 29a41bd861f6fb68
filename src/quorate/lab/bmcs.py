"""The BMC processes of a lab: found by their command line, started, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from quorate.errors import LabError
from quorate.lab.hardware import Machine
from quorate.lab.layout import NodeFolder

PACKAGES = Path(__file__).resolve().parents[2]
"""Where the package itself is imported from: a checkout is not installed."""
MODULE = "quorate.lab.bmc"
_HELLO = bytes.fromhex("0600ff07000000000000000000092018c88100388e04b5")
"""Get Channel Authentication Capabilities for IPMI 2.0, asked without a session (IPMI 2.0, 22.13)."""


def parse(cmdline: bytes) -> Path | None:
    """The node folder that a process serves, from its /proc/PID/cmdline; None where it is not a BMC."""
    words = cmdline.decode(errors="replace").split("\0")
    for index, word in enumerate(words[:-2]):
        if word == "-m" and words[index + 1] == MODULE:
            return Path(words[index + 2])
    return None


def find() -> dict[int, Path]:
    """Every BMC process on this host: its id, and the node folder that it serves."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if folder := parse((entry / "cmdline").read_bytes()):
                    found[int(entry.name)] = folder
    return found


def of(folder: Path) -> list[int]:
    """The BMC processes that serve the node folder, or a folder in, ``folder``."""
    return [pid for pid, served in find().items() if served == folder or folder in served.parents]


def start(folder: NodeFolder, machine: Machine) -> None:
    """Start the node's BMC unless it runs, and return once it listens.

    Raises:
        LabError: it ended, or did not listen within ten seconds.
    """
    if machine.bmc is None or of(folder.path):
        return
    with folder.bmc_log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(folder.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                 "MALLOC_ARENA_MAX": "1", "PYTHONPATH": str(PACKAGES)},
        )  # fmt: skip
    deadline = time.monotonic() + 10
    while not answers(machine.bmc.address, machine.bmc.port, 0.2):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            lines = folder.bmc_log.read_text(errors="replace").splitlines()
            raise LabError(f"the BMC of {folder.node} does not start", evidence="\n".join(lines[-6:]))
        time.sleep(0.02)  # one that is refused is refused at once


def answers(address: str, port: int, timeout_s: float) -> bool:
    """Whether a BMC answers there at all, without logging in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout_s)
        try:
            client.connect((address, port))
            client.send(_HELLO)
            return bool(client.recv(64))
        except OSError:  # no answer, refused, or no route yet
            return False


def stop(pids: list[int], deadline_s: float = 3.0) -> None:
    """End BMC processes and return once they are gone.

    Raises:
        LabError: one outlived SIGKILL by ``deadline_s`` seconds.
    """
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it keeps nothing, so there is nothing to end in order
    deadline = time.monotonic() + deadline_s
    while left := [pid for pid in pids if pid in find()]:
        if time.monotonic() > deadline:
            raise LabError("BMC processes did not end", evidence=", ".join(map(str, left)))
        time.sleep(0.01)
