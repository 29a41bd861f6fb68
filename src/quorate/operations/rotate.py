"""Fernet rotation that cannot make a token which some node is unable to read, also with a node down.

A rotation makes the staged key primary. So it is refused while a node that may serve does not have that key;
a node out of reach counts by what was last seen on it. What is new is written here before any node gets
it: an interrupted rotation is completed by the next one, never doubled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quorate.engine.apply import apply
from quorate.engine.lock import held
from quorate.engine.look import Question, look
from quorate.errors import ApplyError, PreconditionError
from quorate.events import Event, Kind, Listener, silent
from quorate.resources.base import Placed, Stage
from quorate.resources.keyring import keyring
from quorate.secrets import fernet
from quorate.secrets.fernet import Repository
from quorate.transport.base import Connect


@dataclass(frozen=True)
class Keys:
    """One repository: where it is kept here, and where on the nodes.

    Args:
        folder: of the cluster's secrets.
        name: file name in it.
        path: folder on the nodes.
        owner: account that reads it there.
        max_active_keys: how many keys stay.
    """

    folder: Path
    name: str
    path: str
    owner: str
    max_active_keys: int


@dataclass(frozen=True)
class Rotation:
    """What a rotation did.

    Args:
        generation: of the repository now.
        primary: number of the key that makes tokens.
        keys: how many there are.
        nodes: node to "has it" or the reason why it could not be asked.
        completed: it was one that had been interrupted; no other was made.
    """

    generation: int
    primary: int
    keys: int
    nodes: Mapping[str, str]
    completed: bool

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**vars(self), "nodes": dict(self.nodes)}


HAS_IT = "has it"


async def rotate_fernet(
    keys: Keys, nodes: Sequence[str], connect: Connect, listener: Listener = silent
) -> Rotation:
    """Rotate once, on all ``nodes`` that can be reached.

    Raises:
        PreconditionError: too few nodes can be reached, or one would not know the new primary key.
        ApplyError: somebody else is changing the cluster, or a node did not take the keys; run it again.
    """
    async with held(connect, nodes, "rotate fernet"):
        current = fernet.load(keys.folder, keys.name)
        current, unreachable = await _bring_up_to_date(current, keys, nodes, connect, listener)
        if current.pending:
            raise ApplyError(
                "the rotation before this one has not reached every node that answers",
                where=keys.path,
                next_step="run it again",
            )
        if fernet.load(keys.folder, keys.name).pending:
            fernet.save(keys.folder, keys.name, current)
            return _rotation(current, nodes, unreachable, completed=True)
        fernet.save(keys.folder, keys.name, current)
        behind = current.behind(unreachable)
        if behind:
            names = ", ".join(behind)
            raise PreconditionError(
                f"{names} would not know the next primary key, so nothing was rotated",
                where=keys.path,
                evidence="\n".join(f"{node}: {unreachable[node]}" for node in behind),
                next_step=f"bring {names} back, run: quorate apply; then rotate again",
            )
        new = current.rotate(keys.max_active_keys)
        fernet.save(keys.folder, keys.name, new)
        new, unreachable = await _bring_up_to_date(new, keys, nodes, connect, listener)
        fernet.save(keys.folder, keys.name, new)
        if new.pending:
            raise ApplyError(
                "not every node that answers has the new keys", where=keys.path, next_step="run it again"
            )
        return _rotation(new, nodes, unreachable, completed=False)


async def _bring_up_to_date(
    repository: Repository, keys: Keys, nodes: Sequence[str], connect: Connect, listener: Listener
) -> tuple[Repository, dict[str, str]]:
    """Give ``repository`` to the nodes that lack it; returns what is proven, and who is out of reach."""
    ring = keyring(keys.path, repository.files(), owner=keys.owner, group=keys.owner)
    right, unreachable = await _survey(repository, keys, nodes, connect)
    lacking = [node for node, has in right.items() if not has]
    if lacking:
        listener(
            Event(Kind.NOTE, "rotate", f"keys of generation {repository.generation} to {', '.join(lacking)}")
        )
        report = await apply(
            [Placed(Stage.CONFIG, node, ring) for node in lacking], connect, listener=listener
        )
        report.check()
        right, unreachable = await _survey(repository, keys, nodes, connect)
    return repository.confirmed(right), unreachable


async def _survey(
    repository: Repository, keys: Keys, nodes: Sequence[str], connect: Connect
) -> tuple[dict[str, bool], dict[str, str]]:
    """Node to whether it has exactly these keys; and the others, with the reason."""
    args = {"path": keys.path, "owner": keys.owner}
    answers = await look(connect, [Question(node, "keyring", args) for node in nodes])
    right, unreachable = {}, {}
    for answer in answers:
        if answer.state is None:
            unreachable[answer.question.node] = answer.error
        else:
            right[answer.question.node] = (
                answer.state["keys"] == repository.digests() and answer.state["private"]
            )
    return right, unreachable


def _rotation(
    repository: Repository, nodes: Sequence[str], unreachable: Mapping[str, str], *, completed: bool
) -> Rotation:
    told = {node: unreachable.get(node, HAS_IT) for node in nodes}
    return Rotation(repository.generation, repository.primary, len(repository.keys), told, completed)
