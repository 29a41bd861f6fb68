"""Runs on a node: appends numbered records to a file below a mount, each synced before it is acknowledged.

``python3 -u -c SOURCE MOUNT FOLDER``. Standard input: a number a line. Standard output, a line each:
``mounted`` and ``gone`` (whether a file system is mounted at MOUNT), ``ok N`` (record N is on the disk:
write(2), then fsync(2), both good), ``no N reason`` (it may or may not be there). Standard library only.

It holds nothing open between two records, so that it never keeps the file system from being unmounted, and
it never makes a folder outside it. While nobody sends numbers it goes on writing, to another file: a node
that lost its network is one that still writes.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import zlib
from pathlib import Path

FILE = "records"
WAIT_S, IDLE_S = 0.05, 0.3
"""Between two looks at the mount, and how long nobody has to send a number before it writes by itself."""


def line(number: int) -> bytes:
    """A record of 64 bytes: the number, who wrote it, and a sum over both (CRC-32)."""
    text = f"{number:010d} {socket.gethostname():.40}".ljust(54)
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()


def parse(data: bytes) -> tuple[int, ...]:
    """The numbers in a file of records, in order; -1 for each line that is not one."""
    return tuple(_number(row) for row in data.split(b"\n")[: None if data[-1:] not in (b"\n", b"") else -1])


def _number(row: bytes) -> int:
    text, _, crc = row.rpartition(b" ")
    good = len(row) == 63 and crc == b"%08x" % zlib.crc32(text)
    return int(text[:10]) if good else -1


class Place:
    """Where records go, by paths that lead nowhere while nothing is mounted."""

    def __init__(self, mount: str, folder: str) -> None:
        self.mount, self.folder = mount, folder

    def mounted(self) -> bool:
        """Another file system than the one around it is there; the folder is in it."""
        try:
            root = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return False
        try:
            if os.fstat(root).st_dev == Path(self.mount).parent.stat().st_dev:
                return False
            try:
                os.mkdir(self.folder, 0o700, dir_fd=root)
            except FileExistsError:
                return True
            os.fsync(root)
            return True
        except OSError:
            return False
        finally:
            os.close(root)

    def append(self, name: str, data: bytes) -> None:
        """Append to a file in the folder, and return when it is on the disk. Raises OSError."""
        root = os.open(Path(self.mount) / self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            flags = os.O_WRONLY | os.O_APPEND
            try:
                file = os.open(name, flags, dir_fd=root)
            except FileNotFoundError:
                file = os.open(name, flags | os.O_CREAT, 0o600, dir_fd=root)
                os.fsync(root)
            try:
                if os.write(file, data) != len(data):
                    raise OSError("short write")
                os.fsync(file)
            finally:
                os.close(file)
        finally:
            os.close(root)


def say(text: str) -> None:
    """One line to the client."""
    os.write(1, text.encode() + b"\n")


def main(mount: str, folder: str) -> None:
    """Serve until standard input ends."""
    place, there, rest, idle, ticks = Place(mount, folder), False, b"", 0.0, 0
    while True:
        if place.mounted() != there:
            there = not there
            say("mounted" if there else "gone")
        ready, _, _ = select.select([0], [], [], WAIT_S)
        if ready:
            data = os.read(0, 65536)
            if not data:
                return
            *numbers, rest = (rest + data).split(b"\n")
            idle = 0.0
            for word in numbers:
                number = int(word)
                try:
                    place.append(FILE, line(number))
                    say(f"ok {number}")
                except OSError as error:
                    say(f"no {number} {error.strerror or error}")
        else:
            idle += WAIT_S
            if there and idle >= IDLE_S:
                idle, ticks = 0.0, ticks + 1
                try:
                    place.append(f"alone-{socket.gethostname()}-{os.getpid()}", line(ticks))
                except OSError as error:
                    say(f"alone {error.strerror or error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
