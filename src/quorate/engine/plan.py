"""What would change, on which node, as data: frozen, hashed, shown before it is done."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from quorate.engine.look import LOOK_S, Answer, Question, look
from quorate.engine.order import Work, arrange
from quorate.errors import TransportError
from quorate.node.tools import differing
from quorate.resources.base import Desired, Resource, Stage
from quorate.transport.base import Connect

SECRET = "(secret)"
CONTEXT_LINES = 2


@dataclass(frozen=True)
class Difference:
    """One key that is not as it should be. ``actual`` is None where there is no such thing yet."""

    key: str
    actual: Any
    desired: Any


@dataclass(frozen=True)
class Step:
    """One resource that an apply would mend.

    Args:
        stage: when.
        node: where.
        id: "kind:name".
        differences: what is wrong with it; secrets are not in it.
        diff: unified diff of a text file's content.
        note: why there is a step although nothing is known to be wrong: it follows from an earlier one, or
            could not be looked at.
        known: False where only the apply will find out ("known after apply").
        digest: of everything that the step is made of, secrets too: the plan's hash changes with them.
    """

    stage: Stage
    node: str
    id: str
    differences: tuple[Difference, ...] = ()
    diff: str = ""
    note: str = ""
    known: bool = True
    digest: str = ""


@dataclass(frozen=True)
class Plan:
    """All steps, in the order in which they would be done."""

    steps: tuple[Step, ...]
    unreachable: Mapping[str, TransportError]
    """Nodes that could not be looked at. A plan with one of them in it is shown, never applied."""

    @property
    def empty(self) -> bool:
        """Nothing to do, and every node was looked at."""
        return not self.steps and not self.unreachable

    @cached_property
    def hash(self) -> str:
        """Of what it would do, and where: 64 hexadecimal digits (SHA-256)."""
        parts = [[int(s.stage), s.node, s.id, s.known, s.digest] for s in self.steps]
        return _digest([parts, sorted(self.unreachable)])

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        steps = [
            {"stage": s.stage.name.lower(), "node": s.node, "id": s.id, "note": s.note, "known": s.known,
             "differences": [vars(d) for d in s.differences], "diff": s.diff}
            for s in self.steps
        ]  # fmt: skip
        unreachable = {node: error.what for node, error in self.unreachable.items()}
        return {"hash": self.hash, "empty": self.empty, "steps": steps, "unreachable": unreachable}


async def make_plan(desired: Desired, connect: Connect) -> Plan:
    """Look at everything, one trip a node, and say what differs.

    Raises:
        QuorateError: what is desired contradicts itself (a resource twice, a circle).
    """
    works = arrange(desired)
    placed = [(work, node, one) for work in works for node in work.nodes for one in work.on(node)]
    answers = await look(connect, [question(node, one) for _, node, one in placed])
    steps: list[Step] = []
    unreachable: dict[str, TransportError] = {}
    for (work, node, one), answer in zip(placed, answers, strict=True):
        if answer.transport_error is not None:
            unreachable[node] = answer.transport_error
            continue
        step = _step(work, node, one, answer, steps)
        if step is not None:
            steps.append(step)
    return Plan(tuple(steps), unreachable)


def _step(work: Work, node: str, one: Resource, answer: Answer, earlier: Sequence[Step]) -> Step | None:
    step = partial(Step, work.stage, node, one.id)
    if answer.state is None:
        waits = any(before.stage < work.stage or before.node == node for before in earlier)
        note = "known after apply" if waits else f"cannot be looked at: {redacted(one, answer.error)}"
        return step(note=note, known=False, digest=_digest([one.args, one.desired]))
    wrong = differing(one.desired, answer.state)
    if not wrong:
        return _follows(step, node, one, answer.state, earlier)
    actual = {key: answer.state.get(key) for key in wrong}
    return step(
        differences=differences(one, answer.state),
        diff=_diff(one, answer.state),
        digest=_digest([one.args, one.desired, actual]),
    )


def question(node: str, one: Resource) -> Question:
    """The look at ``one``, with the time that its own check may take."""
    return Question(node, one.kind, one.args, max(LOOK_S, float(one.args.get("check_timeout_s", 0)) + 2))


def _follows(
    step: Callable[..., Step], node: str, one: Resource, state: Mapping[str, Any], earlier: Sequence[Step]
) -> Step | None:
    """A unit that is right now, and will not be once the files that it read have changed."""
    if not state.get("active"):
        return None
    changing = {
        before.id.partition(":")[2]
        for before in earlier
        if before.node == node and before.id.startswith("file:")
    }
    watched = one.args.get("restart_on", ())
    own = f"/etc/systemd/system/{one.name}"
    causes = sorted(path for path in watched if path in changing or _inside(path, changing))
    its = sorted(path for path in changing if watched and (path == own or path.startswith(own + ".d/")))
    if not causes and not its:
        return None
    verb = "reloads" if one.args.get("reload") and not its else "restarts"
    causes += its
    note = f"{verb}, because {', '.join(causes)} {'changes' if len(causes) == 1 else 'change'}"
    return step(note=note, digest=_digest([one.args, causes]))


def _inside(folder: str, paths: set[str]) -> bool:
    return any(path.startswith(folder.rstrip("/") + "/") for path in paths)


def differences(one: Resource, state: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What of ``state`` is not as desired, without secrets. A thing that is not there is one difference."""
    wrong = differing(one.desired, state)
    if "type" in wrong and state.get("type") == "absent":
        there = ", ".join(str(v) for k, v in one.desired.items() if k in ("mode", "owner", "group", "target"))
        return (Difference(one.kind, None, SECRET + " " + there if one.secret else there),)
    found = []
    for key in wrong:
        if one.secret and key not in ("type", "mode", "owner", "group", "done"):
            found.append(Difference(key, SECRET, "(secret, changes)"))
        elif key != "sha256" or "content" not in state:
            found.append(Difference(key, state.get(key), one.desired[key]))
    return tuple(found)


def redacted(one: Resource, text: str) -> str:
    """``text`` as it may be shown: of a secret resource, without its values and what looks like a key."""
    if not one.secret:
        return text
    for value in sorted(_strings(one.args), key=len, reverse=True):
        if len(value) >= 4 and any(letter.isspace() for letter in value.strip()):
            text = text.replace(value.strip(), "***")
    return " ".join("***" if _keylike(word) else word for word in text.split(" "))


def _keylike(word: str) -> bool:
    run = longest = digits = 0
    for letter in word:
        plain = letter.isascii() and (letter.isalnum() or letter in "+/=_-")
        run, digits = (run + 1, digits + letter.isdigit()) if plain else (0, 0)
        longest = max(longest, run if digits else 0)
    return longest >= 12


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in _strings(one)]
    if isinstance(value, Sequence):
        return [text for one in value for text in _strings(one)]
    return []


def _diff(one: Resource, state: Mapping[str, Any]) -> str:
    wanted = one.args.get("content")
    if (
        one.secret
        or wanted is None
        or state.get("sha256") == one.desired.get("sha256")
        or state.get("binary")
    ):
        return ""
    old, new = str(state.get("content", "")).splitlines(), str(wanted).splitlines()
    return "\n".join(difflib.unified_diff(old, new, "is", "will be", lineterm="", n=CONTEXT_LINES))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
