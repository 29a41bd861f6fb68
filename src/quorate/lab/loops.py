"""Loop devices, read from /sys: which disk files are in use."""

from __future__ import annotations

import time
from pathlib import Path

from quorate.errors import LabError
from quorate.lab.run import run

SYS = Path("/sys/block")


def backing(sys: Path = SYS) -> dict[str, str]:
    """Every loop device in use, and the path of its backing file (`` (deleted)`` cut off)."""
    found = {}
    for device in sys.glob("loop*"):
        try:
            path = (device / "loop" / "backing_file").read_text().strip()
        except OSError:
            continue  # not in use
        found[device.name] = path.removesuffix(" (deleted)")
    return found


def of(disk: Path) -> list[str]:
    """The loop devices that ``disk`` is attached to."""
    return [device for device, path in backing().items() if path == str(disk)]


def wait_free(disk: Path, deadline_s: float = 10.0) -> None:
    """Return once no loop device has ``disk``: its file system is unmounted everywhere.

    A machine's mounts end with its last process and free the device by themselves; one that was left attached
    by hand is detached here.

    Raises:
        LabError: it was still attached after ``deadline_s`` seconds.
    """
    started = time.monotonic()
    while devices := of(disk):
        waited = time.monotonic() - started
        if waited > deadline_s:
            raise LabError(
                f"the disk is still in use {deadline_s:g} s after the machine ended",
                where=str(disk),
                evidence=f"attached to {', '.join(devices)}",
                next_step="see which process still has it mounted: grep -l "
                + devices[0]
                + " /proc/*/mountinfo",
            )
        if waited > 1.0:
            for device in devices:
                run(["losetup", "-d", f"/dev/{device}"], timeout_s=10, check=False)
        time.sleep(0.005)
