"""Nodes that are not there, for tests: requests are answered from memory, or by a process on this machine."""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from quorate.errors import ConnectionLostError, UnreachableError
from quorate.transport.base import Command, Completed

Trouble = Literal["", "refuse", "lost before", "lost after", "hang"]


def request_of(command: Command) -> dict[str, Any]:
    """The request to the node agent inside ``command``."""
    _, _, packed = command.stdin.partition(b"\n")
    request: dict[str, Any] = json.loads(zlib.decompress(packed))["request"]
    return request


@dataclass
class FakeNode:
    """One node in memory.

    Args:
        node: its name.
        states: what a look finds, by "kind:key", the key being the args' ``name``, ``path`` or ``file``, else
            the resource's name; a `str` is an error that the look gives. Missing: an empty state.
        trouble: of the connection: "refuse" (nothing runs), "lost before" and "lost after" (the outcome is
            unknown, and it was not, or was, run), "hang" (no answer, ever).
        only: the trouble befalls only requests for which this is true.
        breaks: ids of which a fix fails, with its words.
        stays: ids that a fix leaves as they are, without an error.
        answers: what programs other than the agent do.
        commands: everything that was sent.
        fixed: ids that were mended, in order.
    """

    node: str
    states: dict[str, Any] = field(default_factory=dict)
    trouble: Trouble = ""
    only: Callable[[Mapping[str, Any]], bool] = lambda request: True
    breaks: dict[str, str] = field(default_factory=dict)
    stays: set[str] = field(default_factory=set)
    answers: Callable[[Command], Completed] = lambda command: Completed(127, b"", b"no such program")
    commands: list[Command] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    journal: list[tuple[str, str]] | None = None
    """Shared between nodes, where the order over several of them matters: (node, id)."""

    async def run(self, command: Command) -> Completed:
        """As `Transport.run`."""
        self.commands.append(command)
        if command.argv[:1] != ("python3",):
            return self.answers(command)
        request = request_of(command)
        trouble = self.trouble if self.only(request) else ""
        if trouble == "refuse":
            raise UnreachableError("it cannot be connected to", where=self.node)
        if trouble == "hang":
            await asyncio.Event().wait()
        if trouble == "lost before":
            raise ConnectionLostError("the connection died", where=self.node)
        out = b""
        for answer in self._serve(request):
            out += json.dumps(answer).encode() + b"\n"
            await asyncio.sleep(0)
        if trouble == "lost after":
            raise ConnectionLostError("the connection died", where=self.node)
        for line in out.splitlines():
            if command.on_line:
                command.on_line(line)
        return Completed(0, out + b'{"end":true}\n', b"")

    async def close(self) -> None:
        """Nothing to let go."""

    def _serve(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        failed = False
        for item in request["items"]:
            key = _key(item)
            found = self.states.get(key, {})
            told = {"error": found, "evidence": ""} if isinstance(found, str) else {"state": found}
            if request["op"] == "fix":
                answers.append({"start": item["id"]})
                told = {"outcome": "skipped"} if failed else self._fix(item, key, told)
                failed = failed or told["outcome"] == "failed"
            answers.append({"id": item["id"], **told})
        return answers

    def _fix(self, item: Mapping[str, Any], key: str, seen: dict[str, Any]) -> dict[str, Any]:
        if "error" in seen and key not in self.breaks:
            return {"outcome": "failed", **seen}
        state = seen.get("state", {})
        if all(name in state and state[name] == value for name, value in item["desired"].items()):
            return {"outcome": "ok", "state": state}
        if key in self.breaks:
            return {
                "outcome": "failed",
                "before": state,
                "error": "it cannot be mended",
                "evidence": self.breaks[key],
            }
        self.fixed.append(item["id"])
        if self.journal is not None:
            self.journal.append((self.node, item["id"]))
        if key in self.stays:
            return {"outcome": "failed", "before": state, "error": "a second look disagrees", "evidence": ""}
        self.states[key] = {**state, **item["desired"]}
        return {"outcome": "changed", "before": state, "state": self.states[key], "seconds": 0.01}


def _key(item: Mapping[str, Any]) -> str:
    args = item["args"]
    name = args.get("name") or args.get("path") or args.get("file") or item["id"].partition(":")[2]
    return f"{item['kind']}:{name}"


@dataclass
class LocalNode:
    """A node whose agent is a process on this machine: for tests with real files in a temporary folder."""

    node: str
    commands: list[Command] = field(default_factory=list)

    async def run(self, command: Command) -> Completed:
        """As `Transport.run`; the agent's lock is left out."""
        return await self.rewritten(command, lambda args: args)

    async def rewritten(
        self, command: Command, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Completed:
        """`run`, with every item's args replaced by ``change(args)``: to bend absolute paths."""
        self.commands.append(command)
        _, _, packed = command.stdin.partition(b"\n")
        payload = json.loads(zlib.decompress(packed))
        payload["request"].pop("lock", None)
        for item in payload["request"]["items"]:
            item["args"] = change(item["args"])
        packed = zlib.compress(json.dumps(payload).encode())
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command.argv[1:], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate(b"%d\n%s" % (len(packed), packed))
        for line in out.splitlines():
            if command.on_line:
                command.on_line(line)
        return Completed(process.returncode or 0, out, err)

    async def close(self) -> None:
        """Nothing to let go."""
