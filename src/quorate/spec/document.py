"""YAML text as plain data that remembers on which line each value stands."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from quorate.spec.findings import Finding, Path, dotted

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
"""Bounds that no honest cluster.yaml comes near (ten nodes are 150 values); aliases can multiply."""

MERGE = "tag:yaml.org,2002:merge"
PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}


@dataclass
class Document:
    """What was read.

    Attributes:
        data: mappings, lists and scalars; None where the text is not YAML at all.
        lines: the line, from 1, of every key and list item, by path.
        findings: syntax errors, duplicate keys, keys that are not text.
    """

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of ``path``, or of the nearest thing around it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str) -> Document:
    """Read ``text``. Never raises for what is in it: mistakes become findings."""
    yaml = YAML(typ="safe", pure=True)
    document = Document()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # an anchor that is defined twice: the last one counts, as YAML says
            root = yaml.compose(text)
        if root is not None:
            document.data = _Builder(yaml, document).value(root, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        return _broken(what, mark.line + 1 if mark else 0)
    except RecursionError:
        return _broken("it is nested too deeply", 0)
    except _Refused as refused:
        return _broken(str(refused), refused.line)
    except (YAMLError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        # ruamel.yaml lets some malformed escapes, numbers and directives out as built-in errors, no line.
        return _broken(" ".join(str(error).split()) or type(error).__name__, 0)
    return document


def _broken(what: str, line: int) -> Document:
    return Document(findings=[Finding((), f"this is not YAML: {what}", line=line)])


class _Refused(Exception):
    def __init__(self, what: str, node: Node) -> None:
        super().__init__(what)
        self.line: int = node.start_mark.line + 1


class _Builder:
    """Turns the node tree into data, noting lines and duplicates on the way."""

    def __init__(self, yaml: YAML, document: Document) -> None:
        self._construct = yaml.constructor.construct_object
        self._document = document
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise _Refused(f"it has more than {MAX_VALUES} values", node)
        if id(node) in self._open:
            raise _Refused("an alias contains itself", node)
        self._open.add(id(node))
        try:
            self._document.lines.setdefault(path, node.start_mark.line + 1)
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._scalar(cast(ScalarNode, node))
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: ScalarNode) -> Any:
        return self._construct(node) if str(node.tag) in PLAIN else str(node.value)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: list[Mapping[str, Any]] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if str(key_node.tag) == MERGE:
                value = self.value(value_node, path)
                merged += value if isinstance(value, list) else [value]
                continue
            if not isinstance(key_node, ScalarNode):
                self._document.findings.append(Finding(path, "a key must be a plain word", line=line))
                continue
            key = str(key_node.value)
            inner = (*path, key)
            if key in out:
                first = self._document.lines[inner]
                self._document.findings.append(
                    Finding(
                        inner, f"this key stands here twice (first on line {first})", "keep one", line=line
                    )
                )
                continue
            self._document.lines[inner] = line
            out[key] = self.value(value_node, inner)
        for extra in merged:
            if not isinstance(extra, dict):
                raise _Refused(
                    f"'<<' in {dotted(path) or 'the file'} merges something that is no mapping", node
                )
            for key, value in extra.items():
                out.setdefault(key, value)
        return out
