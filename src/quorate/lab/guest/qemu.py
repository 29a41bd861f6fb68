"""A guest image in QEMU, on its own: emulated (TCG), user networking, and a metadata service that is a file.

QEMU comes from the same Debian packages as the image and runs from an unpacked tree with chroot(8), so the
host needs none. It is for looking whether the image is good; a platform's guests are Nova's business.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quorate.errors import LabError

PACKAGES = ("base-files", "coreutils", "dash", "qemu-system-x86", "seabios")
"""What the tree is unpacked from. ``cat`` plays the metadata service."""
MEMORY_MIB = 128
LONGEST_S = 600
"""QEMU is ended after that many seconds, should nobody be left to end it."""
POLL_S = 0.2


@dataclass(frozen=True)
class Guest:
    """A running guest.

    Args:
        process: QEMU's.
        folder: its files: ``console``, what the guest wrote to its serial port, and ``qmp``, QEMU's socket.
        port: of this host's loopback interface; leads to the guest's port 80.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    def ask(self, path: str = "/", method: str = "GET", timeout_s: float = 20.0) -> Any:
        """What the guest answers, read as JSON.

        Raises:
            OSError: no answer, or one that is not 200 (urllib.error.HTTPError, its body is the reason).
            ValueError: that is not JSON.
        """
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=timeout_s) as answer:
            return json.load(answer)

    def wait(self, deadline_s: float, **wanted: Any) -> dict[str, Any]:
        """The first answer that has everything in ``wanted``.

        Raises:
            LabError: there was none within ``deadline_s`` seconds, or QEMU ended.
        """
        deadline, last = time.monotonic() + deadline_s, "no answer"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise LabError("QEMU ended", where="guest image", evidence=self.said())
            try:
                answer: dict[str, Any] = self.ask(timeout_s=5.0)
            except (OSError, ValueError) as error:
                last = str(error)
            else:
                if all(answer.get(name) == value for name, value in wanted.items()):
                    return answer
                last = json.dumps(answer)
            time.sleep(POLL_S)
        raise LabError(
            f"the guest did not answer as it should within {deadline_s:g} s",
            where="guest image",
            evidence=f"{self.said()}\nlast: {last}",
        )

    def said(self) -> str:
        """The end of the console log and of QEMU's complaints."""
        files = [self.folder / "console", self.folder / "complaints"]
        text = "\n".join(file.read_text(errors="replace")[-1500:] for file in files if file.exists())
        return text or "it said nothing"

    def order(self, command: str, **arguments: Any) -> Any:
        """Give QEMU an order (QMP, docs/interop/qmp-spec.rst) and hand back what it returns.

        Raises:
            LabError: QEMU refuses. OSError: it does not answer.
        """
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10.0)
            line.connect(str(self.folder / "qmp"))
            stream = line.makefile("rw", encoding="utf-8")
            stream.readline()  # the greeting
            returned = None
            for execute, words in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": execute, "arguments": words}) + "\n")
                stream.flush()
                reply: dict[str, Any] = {"event": ""}
                while "event" in reply:
                    reply = json.loads(stream.readline())
                if "error" in reply:
                    raise LabError(f"QEMU refused {execute}", evidence=str(reply["error"]))
                returned = reply["return"]
            return returned

    def press_power(self, deadline_s: float) -> float:
        """Press the ACPI power button; hands back after how many seconds the guest was off.

        Raises:
            LabError: it was still on after ``deadline_s`` seconds.
        """
        started = time.monotonic()
        self.order("system_powerdown")
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired as error:
            what = f"the guest was still on {deadline_s:g} s after its power button was pressed"
            raise LabError(what, where="guest image", evidence=self.said()) from error
        return time.monotonic() - started


def arguments(port: int, form: str, metadata: bool, disks: Sequence[str], uuid: str) -> list[str]:
    """QEMU's arguments. The guest's network is the link-local one, so that 169.254.169.254 is on it."""
    network = "user,id=net,net=169.254.0.0/16,host=169.254.0.2,dhcpstart=169.254.0.15,restrict=on"
    network += f",hostfwd=tcp:127.0.0.1:{port}-:80"
    if metadata:
        network += ",guestfwd=tcp:169.254.169.254:80-cmd:/bin/cat /vm/metadata"
    drives = [("boot", "/vm/guest", form), *((name, f"/vm/{name}", "raw") for name in disks)]
    return [
        *("qemu-system-x86_64", "-machine", "pc,accel=tcg", "-m", str(MEMORY_MIB), "-nodefaults"),
        *("-display", "none", "-vga", "std", "-uuid", uuid, "-serial", "file:/vm/console"),
        *("-qmp", "unix:/vm/qmp,server=on,wait=off", "-netdev", network),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *(
            word
            for name, file, kind in drives
            for word in (
                *("-drive", f"file={file},if=none,id={name},format={kind}"),
                *("-device", f"virtio-blk-pci,drive={name},serial={name}"),
            )
        ),
    ]


@contextmanager
def booted(
    image: Path, tree: Path, *, metadata: bytes | None = None, disks: Sequence[Path] = (), uuid: str
) -> Iterator[Guest]:
    """Start a copy of the image; inside this block it runs, afterwards nothing of it is left.

    Args:
        image: qcow2 or raw, by its suffix.
        tree: unpacked from `PACKAGES`; a folder ``vm`` is made in it.
        metadata: what its metadata service answers (JSON); None: there is none.
        disks: raw files; copies of them are further disks, with the file's stem as serial number.
        uuid: the machine's, as firmware tells it to the guest (DMI).
    """
    folder = tree / "vm"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for source, name in ((image, "guest"), *((disk, disk.stem) for disk in disks)):
        shutil.copyfile(source, folder / name)
    if metadata is not None:
        head = f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(metadata)}\r\n\r\n"
        (folder / "metadata").write_bytes(head.encode() + metadata)
    with socket.socket() as probe:  # a port that is free now
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    argv = arguments(port, image.suffix[1:], metadata is not None, [disk.stem for disk in disks], uuid)
    with (folder / "complaints").open("wb") as complaints:
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", str(LONGEST_S), "chroot", str(tree), *argv],
            stdin=subprocess.DEVNULL, stdout=complaints, stderr=complaints, start_new_session=True,
        )  # fmt: skip
    try:
        yield Guest(process, folder, port)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
