"""Faults, workloads and checks are found by being a file in their folder. Two of one name are an error."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from quorate.errors import QuorateError


def discover(package: ModuleType, attribute: str) -> dict[str, Any]:
    """``attribute`` of every module in ``package``, by the ``name`` that it has, in order of the names.

    Raises:
        QuorateError: two modules offer the same name, or one lacks the attribute.
    """
    found: dict[str, Any] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        offered = getattr(module, attribute, None)
        if offered is None:
            raise QuorateError(f"has no {attribute}", where=module.__name__)
        if offered.name in found:
            raise QuorateError(f"the name {offered.name} is taken twice", where=module.__name__)
        found[offered.name] = offered
    return dict(sorted(found.items()))
