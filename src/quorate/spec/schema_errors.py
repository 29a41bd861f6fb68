"""pydantic's errors as findings that an operator understands."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from quorate.spec.findings import Finding, Path, meant, nearest

NAME_RULE = "lower-case letters, digits and hyphens, beginning with a letter, at most 15 characters"

EXPECTED = {
    "ip_v4_address": "an IPv4 address like 10.77.0.11",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "tuple_type": "a list ([a, b])",
    "list_type": "a list ([a, b])",
}
BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}


def findings(error: ValidationError, model: type[BaseModel], base: Path = ()) -> list[Finding]:
    """``error`` from validating ``model``, paths under ``base``. A mistyped key is not missing as well."""
    problems = error.errors(include_url=False, include_context=True)
    typed_wrong: set[Path] = set()
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            *parent, key = problem["loc"]
            if close := nearest(str(key), fields_at(model, tuple(parent))):
                typed_wrong.add((*parent, close))
    return [
        _finding(dict(problem), model, base)
        for problem in problems
        if not (problem["type"] == "missing" and tuple(problem["loc"]) in typed_wrong)
    ]


def _finding(problem: dict[str, Any], model: type[BaseModel], base: Path) -> Finding:
    kind, value, context = problem["type"], problem.get("input"), problem.get("ctx", {})
    loc: Path = tuple(problem["loc"])
    if loc and loc[-1] == "[key]":
        return Finding((*base, *loc[:-1]), f"{loc[-2]!r} is not a name", f"names are {NAME_RULE}")
    path = (*base, *loc)
    if kind == "extra_forbidden":
        return Finding(
            path, "unknown key", meant(str(loc[-1]), fields_at(model, loc[:-1]), "known keys here")
        )
    if kind == "missing":
        return Finding(path, "this is missing", f"add {loc[-1]}: …")
    if kind in ("literal_error", "enum"):
        return Finding(
            path, f"{_shown(value)} is not possible here", f"possible: {context.get('expected', '')}"
        )
    if kind == "ip_v4_network":
        return Finding(path, f"{_shown(value)} is not an IPv4 network", _network_hint(value))
    if kind == "string_pattern_mismatch":
        return Finding(path, f"{_shown(value)} is not a name", f"names are {NAME_RULE}")
    if kind in EXPECTED:
        return Finding(path, f"{_shown(value)} is not {EXPECTED[kind]}")
    if kind in BOUNDS:
        limit = next(iter(context.values()))
        return Finding(path, f"{_shown(value)} is out of range", f"it must be {BOUNDS[kind]} {limit}")
    return Finding(path, f"{_shown(value)}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")


def _network_hint(value: object) -> str:
    try:
        return f"did you mean {IPv4Interface(str(value)).network}?"
    except ValueError:
        return "it is written like 10.77.0.0/24"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = (
        repr(value)
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    return text if len(text) <= 60 else f"{text[:57]}…"


def fields_at(model: type[BaseModel], loc: Path) -> list[str]:
    """The keys that ``model`` knows at ``loc``; none where anything goes."""
    here: Any = model
    for part in loc:
        inner = _model_in(here)
        if inner is not None:
            field = next((f for n, f in inner.model_fields.items() if (f.alias or n) == part), None)
            if field is None:
                return []
            here = field.annotation
        else:
            arguments = [a for a in get_args(here) if a is not Ellipsis]
            if not arguments:
                return []
            here = arguments[-1] if get_origin(here) is not None else here
    inner = _model_in(here)
    return [f.alias or n for n, f in inner.model_fields.items()] if inner is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that ``annotation`` is, or is optionally (``Bmc | None``)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (dict, tuple, list):
        return None
    models = [a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0] if len(models) == 1 else None
