"""From a file to a `Cluster`, or to every mistake in the file at once."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quorate.errors import SpecError
from quorate.spec import document as yaml
from quorate.spec import schema_errors
from quorate.spec.catalogue import Catalogue
from quorate.spec.document import Document
from quorate.spec.findings import Finding
from quorate.spec.findings import Path as Place
from quorate.spec.model import Cluster
from quorate.spec.rules import judge

ROUNDS = 8
"""How often broken values may be cut out and the rest looked at again: more than a cluster.yaml is deep."""

STAND_INS: dict[str, Any] = {"apiVersion": "quorate/v1", "cluster": "unnamed", "networks": {}, "nodes": {}}
"""For what a file cannot be judged without, where it is missing or broken."""


@dataclass(frozen=True)
class Reading:
    """A file and what was found in it.

    Attributes:
        cluster: None where a finding is an error.
        findings: in the order of the file.
    """

    path: Path
    cluster: Cluster | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the file unusable."""
        return tuple(finding for finding in self.findings if finding.is_error)


def load(path: Path, services: Catalogue | None = None) -> Cluster:
    """The cluster that ``path`` describes.

    Args:
        path: a cluster.yaml.
        services: what the services can do, by name; without it, their modes, VIPs and options are not judged.

    Raises:
        SpecError: with every mistake, each with its line.
    """
    reading = inspect(path, services)
    if reading.cluster is None:
        errors = reading.errors
        count = "1 mistake" if len(errors) == 1 else f"{len(errors)} mistakes"
        raise SpecError(count, tuple(finding.text(path.name) for finding in errors), where=str(path))
    return reading.cluster


def inspect(path: Path, services: Catalogue | None = None) -> Reading:
    """Read and judge ``path``. Never raises for what is in it, or for its not being readable."""
    try:
        text = _text(path)
    except _Unreadable as reason:
        return Reading(path, None, (Finding((), str(reason)),))
    document = yaml.read(text)
    if document.data is None and not document.findings:
        document.findings.append(
            Finding((), "the file is empty", "see examples/three-controllers.yaml", line=1)
        )
    elif document.data is not None and not isinstance(document.data, dict):
        kind = "a list" if isinstance(document.data, list) else "a single value"
        document.findings.append(
            Finding((), f"the file is {kind}", "it must be a mapping (key: value)", line=1)
        )
    if not isinstance(document.data, dict):
        return Reading(path, None, tuple(document.findings))
    return _judged(path, document, services)


class _Unreadable(Exception):
    pass


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise _Unreadable("this is a folder; name the cluster.yaml in it")
        if path.exists() and not path.is_file():
            raise _Unreadable("this is not a regular file")
        with path.open("rb") as file:
            content = file.read(yaml.MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Unreadable("there is no such file") from None
    except (OSError, ValueError) as error:
        raise _Unreadable(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > yaml.MAX_BYTES:
        raise _Unreadable(f"it is larger than {yaml.MAX_BYTES} bytes; that is no cluster.yaml")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(
            f"it is not UTF-8 text (byte {error.start} is {content[error.start]:#04x})"
        ) from None


def _judged(path: Path, document: Document, services: Catalogue | None) -> Reading:
    found = list(document.findings)
    try:
        cluster: Cluster | None = Cluster.model_validate(document.data)
    except ValidationError as error:
        found += schema_errors.findings(error, Cluster)
        cluster, cut = _salvage(document.data, error)
    else:
        cut = set()
    if cluster is not None:
        # What was cut out must not be called missing too.
        found += [
            finding
            for finding in judge(cluster, services)
            if not _touches(finding.path, cut)
            and not (finding.relies_on and _touches(finding.relies_on, cut))
        ]
    located = [finding if finding.line else finding.at(document.line(finding.path)) for finding in found]
    located.sort(key=lambda finding: finding.line)
    usable = not any(finding.is_error for finding in located)
    return Reading(path, cluster if usable else None, tuple(located))


def _salvage(data: dict[str, Any], error: ValidationError) -> tuple[Cluster | None, set[Place]]:
    """The cluster without its broken values, for judging the rest in the same reading; and what was cut."""
    rest, cut = copy.deepcopy(data), set[Place]()
    for _ in range(ROUNDS):
        for problem in error.errors(include_url=False, include_context=False):
            loc: Place = tuple(part for part in problem["loc"] if part != "[key]")
            if problem["type"] == "missing":
                loc = loc[:-1] if len(loc) > 1 else loc
            cut.add(loc)
            _remove(rest, loc)
        for key, value in STAND_INS.items():
            rest.setdefault(key, copy.deepcopy(value))
        try:
            return Cluster.model_validate(rest), cut
        except ValidationError as again:
            error = again
    return None, cut


def _remove(data: Any, loc: Place) -> None:
    for part in loc[:-1]:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return
    if isinstance(data, dict):
        data.pop(loc[-1], None)
    elif isinstance(data, list) and isinstance(loc[-1], int) and loc[-1] < len(data):
        data[loc[-1]] = None


def _touches(path: Place, cut: set[Place]) -> bool:
    return any(path == other[: len(path)] or other == path[: len(other)] for other in cut)
