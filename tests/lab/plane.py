"""A raised plane for the tests: brought up once, driven through ./quorate exactly as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    exit: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Its standard output as JSON; fails with everything that it said where it is none."""
        try:
            return json.loads(self.stdout)
        except json.JSONDecodeError as error:
            raise AssertionError(f"no JSON ({error}):\n{self.stdout}\n{self.stderr}") from error


def quorate(*arguments: str, timeout_s: float = 600, **environment: str) -> Ran:
    """Run ``./quorate`` with ``arguments``."""
    done = subprocess.run(
        [str(ROOT / "quorate"), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def must(*arguments: str, timeout_s: float = 600) -> Ran:
    """Run ``./quorate`` and fail, with what it said, unless it exits 0."""
    ran = quorate(*arguments, timeout_s=timeout_s)
    assert ran.exit == 0, f"quorate {' '.join(arguments)}: exit {ran.exit}\n{ran.stdout}\n{ran.stderr}"
    return ran


def example(file: str, name: str, folder: Path, networks: str) -> Path:
    """An example of cluster.yaml under another name, in networks of the tests ("10.79."); its new path."""
    text = (ROOT / "examples" / file).read_text()
    cluster = next(line for line in text.splitlines() if line.startswith("cluster: "))
    path = folder / "cluster.yaml"
    path.write_text(text.replace(cluster, f"cluster: {name}").replace("10.77.", networks))
    return path


@contextmanager
def raised_cloud(folder: Path) -> Iterator[Plane]:
    """The lab that is made without a file, under a name and in networks of its own; nothing is left of it."""
    name, networks = "t-cloud", "10.79."
    quorate("lab", "down", "--name", name)
    must("lab", "up", "--quick", str(example("lab.yaml", name, folder, networks)), timeout_s=1800)
    yield Plane(name)
    must("lab", "down", "--name", name)
    assert name not in [lab["name"] for lab in must("lab", "list", "--json").json()["labs"]]
    left = subprocess.run(("ip", "-json", "address"), capture_output=True, text=True, check=True).stdout
    assert networks not in left, "a network is left on this host"


def until(what: str, condition: Callable[[], Any], deadline_s: float) -> Any:
    """Wait until ``condition`` returns something true, and return it; fails loudly at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(0.5)


@dataclass(frozen=True)
class Plane:
    """One lab with the whole plane on it."""

    name: str

    def must(self, *arguments: str, timeout_s: float = 600) -> Ran:
        """A quorate command on this lab that has to succeed."""
        return must(*arguments, "--name", self.name, timeout_s=timeout_s)

    def run(self, *arguments: str, timeout_s: float = 600) -> Ran:
        """A quorate command on this lab."""
        return quorate(*arguments, "--name", self.name, timeout_s=timeout_s)

    def status(self) -> Any:
        """``status --json``, whatever it says."""
        return self.run("status", "--json").json()

    def ssh(self, node: str, *command: str) -> str:
        """The output of a command on a node."""
        return must("lab", "ssh", "--name", self.name, node, "--", *command).stdout

    def healthy(self, deadline_s: float = 180) -> Any:
        """Wait until ``status`` says that all is well, and return it."""
        last: dict[str, Any] = {}

        def look() -> bool:
            last.update(self.status())
            return bool(last["healthy"])

        try:
            until("the plane is healthy", look, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{json.dumps(last.get('problems'), indent=1)}") from error
        return last
