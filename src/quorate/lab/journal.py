"""Read a machine's journal from its disk, without asking the machine: it may be off, hung, or cut off."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from quorate.errors import LabError, UsageError
from quorate.lab import hardware, loops, power
from quorate.lab.layout import NodeFolder

READ = Path(__file__).parent / "journal.sh"


def show(folder: NodeFolder, options: Sequence[str]) -> int:
    """Run the image's own journalctl(1) over the machine's journal, on this process's output.

    Args:
        options: for journalctl.

    Returns:
        journalctl's exit code.

    Raises:
        LabError: the image is not there any more.
        UsageError: the machine is off, and new lines are asked for.
    """
    machine = hardware.load(folder)
    image = folder.root / "images" / machine.image / "rootfs"
    if not image.is_dir():
        raise LabError(f"the image of {folder.node} is not there", where=str(image))
    if supervisor := power.supervisor(folder):
        enter = ["nsenter", f"--target={supervisor}", "--mount", "--", "chroot", str(folder.merged)]
        argv = [*enter, "journalctl", "--directory=/var/log/journal", *options]
        return subprocess.run(argv, check=False).returncode
    if {"-f", "--follow"} & set(options):
        raise UsageError(f"{folder.node} is off: there is nothing to follow", next_step="leave -f out")
    with power.locked(folder):  # so not behind a pager: nobody could switch it on until that ends
        loops.wait_free(folder.disk)
        enter = ["unshare", "--mount", "--propagation", "private", "--", "sh", str(READ)]
        argv = [*enter, str(folder.path), str(image), "--no-pager", *options]
        return subprocess.run(argv, check=False).returncode
