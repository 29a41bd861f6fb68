"""Mends a machine after a while, whatever becomes of the process that broke it.

``python -m quorate.lab.healer NODE_FOLDER RUN SECONDS``, started by `arm` in a session of its own. It waits
as long as the file ``healer`` in the machine's folder names its RUN: removing that (`disarm`) calls it off.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from quorate.errors import LabError, QuorateError
from quorate.lab import behaviour, links, power
from quorate.lab.bmcs import PACKAGES
from quorate.lab.cgroup import Group
from quorate.lab.layout import NodeFolder

MODULE = "quorate.lab.healer"
LOOK_S = 0.5
"""Between two looks at whether it was called off."""
READY_S = 15.0
"""How long it may take to start."""


def mend(folder: NodeFolder) -> None:
    """Thaw the machine, mend its links and its BMC, give it power. Harmless when nothing is wrong.

    Raises:
        LabError: something could not be mended.
    """
    Group.of(folder.lab, folder.node).thaw()
    links.heal(folder.lab, folder.node)
    behaviour.write(folder, behaviour.NORMAL)
    power.on(folder)


def broken(folder: NodeFolder) -> tuple[str, ...]:
    """What `mend` would have to mend, in words."""
    mine = [one for one in links.faults(folder.lab) if one.node == folder.node]
    found = [f"its link in {one.network}: {one.fault}" for one in mine]
    if (bmc := behaviour.read(folder)) != behaviour.NORMAL:
        found.append(f"its BMC is {bmc}")
    if Group.of(folder.lab, folder.node).frozen():
        found.append("it is frozen")
    if not power.is_on(folder):
        found.append("it has no power")
    return tuple(found)


def _path(folder: NodeFolder) -> Path:
    return folder.path / "healer"


def armed(folder: NodeFolder, run: str) -> bool:
    """Whether somebody is going to mend it after ``run``."""
    try:
        return _path(folder).read_text().split() == [run, "waiting"]
    except FileNotFoundError:
        return False


def disarm(folder: NodeFolder, run: str) -> None:
    """Call it off. Harmless when nothing is armed."""
    if _path(folder).exists() and _path(folder).read_text().split()[:1] == [run]:
        _path(folder).unlink(missing_ok=True)


def arm(folder: NodeFolder, run: str, after_s: float) -> None:
    """Start the process that mends it after so many seconds, and return once it waits.

    Raises:
        LabError: it did not start.
    """
    _path(folder).write_text(f"{run} starting\n")
    with folder.bmc_log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(folder.path), run, f"{after_s:g}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                 "PYTHONPATH": str(PACKAGES)},
        )  # fmt: skip
    deadline = time.monotonic() + READY_S
    while not armed(folder, run):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            _path(folder).unlink(missing_ok=True)
            raise LabError(f"nobody could be started who would mend {folder.node}", where=str(folder.bmc_log))
        time.sleep(0.02)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} healer: {text}\n")
    sys.stderr.flush()


def main(argv: list[str]) -> int:
    """Wait, then mend, unless it is called off. ``argv``: node folder, run, seconds."""
    folder, run, deadline = NodeFolder(Path(argv[0])), argv[1], time.monotonic() + float(argv[2])
    try:
        _path(folder).write_text(f"{run} waiting\n")
        while armed(folder, run):
            if time.monotonic() >= deadline:
                mend(folder)
                _say(f"mended {folder.node} after {run}: nobody else had done it in time")
                disarm(folder, run)
                return 0
            time.sleep(LOOK_S)
    except (QuorateError, OSError) as error:
        _say(f"{folder.node} could not be mended: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
