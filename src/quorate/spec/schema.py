"""cluster.yaml's published JSON schema (draft 2020-12): what editors complete and underline with."""

from __future__ import annotations

from typing import Any

from quorate.spec.catalogue import Catalogue, KnownService
from quorate.spec.model import Cluster, ServiceSpec


def schema(catalogue: Catalogue) -> dict[str, Any]:
    """The schema, each service in it with its own modes and options.

    Args:
        catalogue: the services that there are.
    """
    document = Cluster.model_json_schema()
    services = document["properties"]["services"]
    services["properties"] = {name: _service(known) for name, known in sorted(catalogue.items())}
    services["additionalProperties"] = False
    document["$defs"].pop(ServiceSpec.__name__, None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cluster.yaml of quorate, version 1",
        **{key: value for key, value in document.items() if key != "title"},
    }


def _service(known: KnownService) -> dict[str, Any]:
    one = ServiceSpec.model_json_schema()
    options = known.options.model_json_schema()
    one["properties"]["mode"] = {
        "enum": [mode.value for mode in known.modes],
        "default": known.modes[0].value,
        "description": "How it stays available.",
    }
    one["properties"]["options"] = options
    one.pop("$defs", None)
    one["title"], one["description"] = known.summary, known.summary
    return one
