"""Everything that the services ask of Pacemaker, as one configuration document (a CIB, schema pacemaker-4.0).

Pure. The same input gives the same bytes: ids come from what they name, and order from the input, so that a
plan can show the document and a second apply finds nothing to do.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping

from quorate.pacemaker.model import (
    INFINITY,
    Away,
    Clone,
    Colocation,
    Fragment,
    Group,
    Location,
    Operation,
    Order,
    Primitive,
)

SCHEMA = "pacemaker-4.0"
"""What Pacemaker 3.0.0 gives to a new CIB (``cibadmin --empty``)."""
FEATURE_SET = "3.20.0"
REMOTE = "ocf:pacemaker:remote"
"""The agent of a connection to a remote node. The resource's id is the node's name."""


def document(
    fragments: Iterable[Fragment] = (),
    properties: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> str:
    """One CIB with all of ``fragments`` in it.

    Args:
        fragments: what the services ask for.
        properties: cluster options (``crm_config``).
        defaults: meta-attributes that every resource has unless it says otherwise.

    Raises:
        ValueError: two things have the same id, or a constraint names a resource that is not there.
    """
    parts = tuple(fragments)
    cib = ET.Element(
        "cib",
        {
            "validate-with": SCHEMA,
            "crm_feature_set": FEATURE_SET,
            "admin_epoch": "0",
            "epoch": "1",
            "num_updates": "0",
            "have-quorum": "1",
        },
    )
    configuration = ET.SubElement(cib, "configuration")
    crm_config = ET.SubElement(configuration, "crm_config")
    _nvpairs(crm_config, "cluster_property_set", "cib-bootstrap-options", properties or {})
    ET.SubElement(configuration, "nodes")
    resources = ET.SubElement(configuration, "resources")
    for part in parts:
        for resource in part.resources:
            _resource(resources, resource)
    constraints = ET.SubElement(configuration, "constraints")
    for part in parts:
        for constraint in part.constraints:
            _constraint(constraints, constraint)
    _keep_apart(constraints, [resource for part in parts for resource in part.resources])
    _nvpairs(
        ET.SubElement(configuration, "rsc_defaults"),
        "meta_attributes",
        "rsc-defaults-options",
        defaults or {},
    )
    ET.SubElement(cib, "status")
    _check(configuration)
    ET.indent(cib)
    return ET.tostring(cib, encoding="unicode") + "\n"


def _check(configuration: ET.Element) -> None:
    ids = [identifier for element in configuration.iter() if (identifier := element.get("id"))]
    twice = sorted({identifier for identifier in ids if ids.count(identifier) > 1})
    if twice:
        raise ValueError(f"used more than once in Pacemaker's configuration: {', '.join(twice)}")
    resources = {element.get("id") for element in configuration.iterfind("resources//*[@id]")}
    for constraint in configuration.iterfind("constraints/*"):
        for key in ("rsc", "with-rsc", "first", "then"):
            named = constraint.get(key)
            if named is not None and named not in resources:
                raise ValueError(f"constraint {constraint.get('id')}: there is no resource {named!r}")


def _nvpairs(parent: ET.Element, tag: str, identifier: str, values: Mapping[str, str]) -> None:
    if values:
        element = ET.SubElement(parent, tag, {"id": identifier})
        for name, value in sorted(values.items()):
            ET.SubElement(element, "nvpair", {"id": f"{identifier}-{name}", "name": name, "value": value})


def _resource(parent: ET.Element, resource: Primitive | Clone | Group) -> None:
    if isinstance(resource, Primitive):
        _primitive(parent, resource)
        return
    element = ET.SubElement(parent, "clone" if isinstance(resource, Clone) else "group", {"id": resource.id})
    _nvpairs(element, "meta_attributes", f"{resource.id}-meta", resource.meta)
    for member in (resource.primitive,) if isinstance(resource, Clone) else resource.members:
        _primitive(element, member)


def _primitive(parent: ET.Element, primitive: Primitive) -> None:
    # "ocf:heartbeat:IPaddr2" has three parts, "stonith:fence_ipmilan" and "systemd:unit" two.
    keys = ("class", "provider", "type") if primitive.agent.count(":") == 2 else ("class", "type")
    names = dict(zip(keys, primitive.agent.split(":", len(keys) - 1), strict=True))
    element = ET.SubElement(parent, "primitive", {"id": primitive.id, **names})
    _nvpairs(element, "instance_attributes", f"{primitive.id}-params", primitive.params)
    _nvpairs(element, "meta_attributes", f"{primitive.id}-meta", primitive.meta)
    if primitive.operations:
        operations = ET.SubElement(element, "operations")
        for operation in primitive.operations:
            ET.SubElement(operations, "op", _operation(primitive.id, operation))


def _operation(owner: str, operation: Operation) -> dict[str, str]:
    interval = seconds(operation.interval_s)
    identifier = "-".join(filter(None, (owner, operation.name, operation.role.lower(), interval)))
    values = {"id": identifier, "name": operation.name, "interval": interval}
    values["timeout"] = seconds(operation.timeout_s)
    if operation.role:
        values["role"] = operation.role
    if operation.on_fail:
        values["on-fail"] = operation.on_fail
    return values


def _keep_apart(parent: ET.Element, resources: list[Primitive | Clone | Group]) -> None:
    """What names its nodes runs and is looked for on those, and everything else on no remote node.

    Without it a clone would be started, and everything probed, also on nodes that have none of its programs.
    """
    placed = [one for one in resources if isinstance(one, Clone | Group) and one.nodes]
    for its in placed:
        values = {"id": f"location-{its.id}-nodes", "rsc": its.id, "resource-discovery": "never"}
        _never(parent, values, [("#uname", "ne", node) for node in its.nodes])
    if any(isinstance(one, Primitive) and one.agent == REMOTE for one in resources):
        # A leading "!" turns the pattern round (Pacemaker Explained, location constraints).
        names = "|".join(one.id.replace(".", "[.]") for one in placed)
        pattern = f"!^({names})$" if placed else ".*"
        values = {"id": "location-members-only", "rsc-pattern": pattern, "resource-discovery": "never"}
        _never(parent, values, [("#kind", "eq", "remote")])


def _never(parent: ET.Element, values: dict[str, str], tests: list[tuple[str, str, str]]) -> None:
    constraint = ET.SubElement(parent, "rsc_location", values)
    rule_id = f"{values['id']}-rule"
    rule = ET.SubElement(constraint, "rule", {"id": rule_id, "boolean-op": "and", "score": f"-{INFINITY}"})
    for number, (attribute, operation, value) in enumerate(tests):
        words = {"attribute": attribute, "operation": operation, "value": value}
        ET.SubElement(rule, "expression", {"id": f"{rule_id}-{number}", **words})


def seconds(value: float) -> str:
    """``value`` seconds as Pacemaker writes it: "20s", "400ms", and "0s" for none."""
    return f"{value:.0f}s" if value == round(value) else f"{value * 1000:.0f}ms"


def _constraint(parent: ET.Element, constraint: Location | Away | Colocation | Order) -> None:
    match constraint:
        case Location(resource, node, score):
            identifier = f"location-{resource}-{node}"
            values = {"id": identifier, "rsc": resource, "node": node, "score": score}
            ET.SubElement(parent, "rsc_location", values)
        case Away(resource, attribute, value):
            values = {"id": f"location-{resource}-{attribute}", "rsc": resource}
            _never(parent, values, [(attribute, "eq", value)])
        case Colocation(resource, other, score):
            identifier = f"colocation-{resource}-with-{other}"
            values = {"id": identifier, "rsc": resource, "with-rsc": other, "score": score}
            ET.SubElement(parent, "rsc_colocation", values)
        case Order(first, then, kind):
            values = {"id": f"order-{first}-then-{then}", "first": first, "then": then, "kind": kind}
            ET.SubElement(parent, "rsc_order", values)
