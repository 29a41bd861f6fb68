"""What the rules have to know about services. Handed in: the spec imports none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from quorate.spec.model import Mode, Use


@dataclass(frozen=True)
class KnownService:
    """One service, as far as cluster.yaml is concerned.

    Args:
        summary: one line for people.
        modes: the modes it can have; the first is its default.
        needs_vip: clients reach it through a virtual IP.
        always: part of every cluster, named in the file or not.
        options: the model of its ``options``.
        needs: services without which it cannot be.
        networks: uses of networks without which it cannot be.
        units: the systemd units that are its.
    """

    summary: str
    modes: tuple[Mode, ...]
    needs_vip: bool
    always: bool
    options: type[BaseModel]
    needs: tuple[str, ...] = ()
    networks: tuple[Use, ...] = ()
    units: tuple[str, ...] = ()


Catalogue = Mapping[str, KnownService]
"""By name."""
