"""Keystone's Fernet keys: made, rotated and pruned here, so that every node is handed the same ones.

A repository is a folder of numbered keys (Keystone administrator guide, "Fernet - Frequently Asked
Questions"): 0 is the *staged* key, which the next rotation makes primary; the highest number is the *primary*
key, with which tokens are made; those between are *secondary*, with which tokens made earlier are still read.
So a key has to be staged on every node before any node may make tokens with it: the rule that rotation
keeps.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from quorate.errors import PreconditionError
from quorate.secrets.store import write_private

STAGED = 0


def new_key() -> str:
    """32 random bytes in URL-safe base64, 44 characters (the Fernet specification)."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def digest(key: str) -> str:
    """SHA-256 of a key, as the nodes report it: proves that a node has it without showing it."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class Repository:
    """The keys of one repository, and how far the nodes are known to be.

    Args:
        keys: number to key; always a staged and a primary one.
        generation: 1 when made, one more with each rotation.
        proven: node to the newest generation that was seen on it, whole.
        pending: the last rotation has not been seen on every node that could be reached.
    """

    keys: Mapping[int, str] = field(repr=False)
    generation: int = 1
    proven: Mapping[str, int] = field(default_factory=dict)
    pending: bool = False

    @classmethod
    def new(cls) -> Repository:
        """A staged and a primary key, as ``keystone-manage fernet_setup`` makes them."""
        return cls({STAGED: new_key(), 1: new_key()})

    @property
    def primary(self) -> int:
        """The number of the key that makes tokens."""
        return max(self.keys)

    def rotate(self, max_active_keys: int, key: str = "") -> Repository:
        """The staged key becomes primary, a new one is staged, and the oldest secondary ones go.

        Args:
            max_active_keys: how many keys stay, the staged and the primary one included; at least 3, so that
                tokens of the primary key before are still read.
            key: the key to stage; a new one where empty.
        """
        if max_active_keys < 3:
            raise ValueError("max_active_keys must be 3 or more: staged, primary and the primary before")
        keys = dict(self.keys)
        keys[self.primary + 1] = keys[STAGED]
        keys[STAGED] = key or new_key()
        for number in sorted(keys)[1:]:
            if len(keys) <= max_active_keys:
                break
            del keys[number]
        return replace(self, keys=keys, generation=self.generation + 1, pending=True)

    def digests(self) -> dict[str, str]:
        """File name to SHA-256: the state that every node has to be in."""
        return {str(number): digest(key) for number, key in sorted(self.keys.items())}

    def files(self) -> dict[str, str]:
        """File name to key."""
        return {str(number): key for number, key in sorted(self.keys.items())}

    def confirmed(self, nodes: Mapping[str, bool]) -> Repository:
        """After a look: ``nodes`` that were reached, and whether they have exactly these keys."""
        proven = {**self.proven, **{node: self.generation for node, right in nodes.items() if right}}
        return replace(self, proven=proven, pending=self.pending and not all(nodes.values()))

    def behind(self, unreachable: Mapping[str, str]) -> tuple[str, ...]:
        """Nodes that may not know the staged key: of the ``unreachable`` ones, those not proven.

        Before the first rotation a node has the whole repository or none at all, and without one Keystone
        does not serve there; so nobody is behind in generation 1.
        """
        if self.generation == 1:
            return ()
        return tuple(node for node in unreachable if self.proven.get(node, 0) < self.generation)


def load(folder: Path, name: str) -> Repository:
    """The repository ``name`` of the secrets in ``folder``, made on first use.

    Raises:
        PreconditionError: the file is damaged. It is never made anew: that would void every token at once.
    """
    path = folder / name
    if not path.exists():
        save(folder, name, Repository.new(), replace=False)
    try:
        document = json.loads(path.read_text())
        keys = {int(number): str(key) for number, key in document["keys"].items()}
        if (
            STAGED not in keys
            or len(keys) < 2
            or any(len(base64.urlsafe_b64decode(k)) != 32 for k in keys.values())
        ):
            raise ValueError("a staged and a primary key of 32 bytes are needed")
        return Repository(
            keys,
            int(document["generation"]),
            {str(node): int(number) for node, number in document["proven"].items()},
            bool(document["pending"]),
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise PreconditionError(
            "the Fernet keys cannot be read",
            where=str(path),
            evidence=str(error),
            next_step="put the file back from a backup of this folder; any controller's "
            "/etc/keystone/fernet-keys still has the keys",
        ) from error


def save(folder: Path, name: str, repository: Repository, *, replace: bool = True) -> None:
    """Keep ``repository``: whole or not at all, 0600, on the disk. ``replace`` as in `write_private`."""
    document = {
        "generation": repository.generation,
        "pending": repository.pending,
        "proven": dict(repository.proven),
        "keys": repository.files(),
    }
    write_private(folder / name, (json.dumps(document, indent=1) + "\n").encode(), replace=replace)
