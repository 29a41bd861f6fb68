"""cluster.yaml's published JSON schema (draft 2020-12): what editors complete and underline with."""

from __future__ import annotations

from typing import Any

from quorate.spec.catalogue import Catalogue, KnownService
from quorate.spec.model import Cluster, Mode, ServiceSpec


def schema(catalogue: Catalogue) -> dict[str, Any]:
    """The schema, each service in it with its own modes and options.

    Args:
        catalogue: the services that there are.
    """
    document = Cluster.model_json_schema()
    services = document["properties"]["services"]
    services["properties"] = {}
    for name, known in sorted(catalogue.items()):
        services["properties"][name], definitions = _service(name, known)
        document["$defs"] |= definitions
    for key in ("additionalProperties", "patternProperties", "propertyNames"):
        services.pop(key, None)
    services["additionalProperties"] = False
    for name in (ServiceSpec.__name__, Mode.__name__):
        document["$defs"].pop(name, None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cluster.yaml of quorate, version 1",
        **{key: value for key, value in document.items() if key != "title"},
    }


def _service(name: str, known: KnownService) -> tuple[dict[str, Any], dict[str, Any]]:
    """One service's schema, and the definitions that its options refer to, named after it."""
    one = ServiceSpec.model_json_schema()
    options = known.options.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    definitions = {f"{name}.{model}": value for model, value in options.pop("$defs", {}).items()}
    one["properties"]["mode"] = {
        "enum": [mode.value for mode in known.modes],
        "default": known.modes[0].value,
        "description": "How it stays available.",
    }
    one["properties"]["options"] = options
    one.pop("$defs", None)
    one["title"], one["description"] = name, known.summary
    return one, definitions
