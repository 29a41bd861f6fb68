"""Try the guest image out on this host: does it boot, answer and switch itself off, and how soon?"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quorate.events import Event, Kind, Listener
from quorate.lab.aptsources import Mirror
from quorate.lab.guest import build, qemu
from quorate.lab.guest.store import GuestStore

BOOT_S = 90.0
"""6 s on two idle cores; a host that does other work too takes two or three times as long."""
OFF_S = 20.0


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Args:
        answer_s: seconds from QEMU's start to the guest's first answer over HTTP.
        uptime_s: how long its kernel had been running then, by its own clock.
        off_s: seconds from the press of the power button to QEMU's end.
    """

    answer_s: float
    uptime_s: float
    off_s: float

    def as_json(self) -> dict[str, str | int]:
        """For a person and for ``--json`` alike."""
        return {
            "answers_after": f"{self.answer_s:.1f} s (TCG, {qemu.MEMORY_MIB} MiB)",
            "uptime_then": f"{self.uptime_s:.1f} s",
            "off_after": f"{self.off_s:.1f} s",
        }


@contextmanager
def tree(store: GuestStore, mirror: Mirror, listener: Listener) -> Iterator[Path]:
    """A tree of unpacked packages with QEMU in it, while this block lasts. Nobody builds meanwhile.

    Raises:
        PreconditionError, LabError: it could not be made.
    """
    build.check_host(listener)
    with store.locked():
        store.clean()
        work = store.folder / ".building-trial"
        listener(Event(Kind.STARTED, build.SUBJECT, "unpacking QEMU"))
        try:
            work.mkdir()
            build.run(build.unpack(qemu.PACKAGES, mirror, work / "tree"), store, mirror, listener)
            yield work / "tree"
        finally:
            store.clean()


def trial(image: Path, store: GuestStore, mirror: Mirror, listener: Listener) -> Trial:
    """Boot the image, wait for its answer, press its power button.

    Raises:
        PreconditionError: this host cannot.
        LabError: the guest did not do it, with what its console said.
    """
    with tree(store, mirror, listener) as unpacked:
        listener(Event(Kind.PROGRESS, build.SUBJECT, "booting", 0.9))
        machine = str(uuid.uuid4())
        started = time.monotonic()
        with qemu.booted(image, unpacked, uuid=machine) as guest:
            answer = guest.wait(BOOT_S, dmi_uuid=machine)
            took = time.monotonic() - started
            off = guest.press_power(OFF_S)
    listener(Event(Kind.DONE, build.SUBJECT, "it boots, answers, and is off when told to", 1.0))
    return Trial(took, float(answer["uptime_s"]), off)
