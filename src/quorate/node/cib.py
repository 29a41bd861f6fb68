"""Pacemaker's configuration: is it the wanted document, in meaning; and how it becomes that, in one step.

Kept as the cluster has them: the nodes and their attributes (standby), what Pacemaker adds by itself, what an
operation set for a while (maintenance-mode, ``cli-`` constraints of ``crm_resource --move`` and ``--ban``).
"""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Any

from quorate.node import tools

OWN_PROPERTIES = frozenset(
    {
        "cluster-infrastructure",
        "cluster-name",
        "dc-version",
        "have-watchdog",
        "last-lrm-refresh",
        "maintenance-mode",
    }
)
"""Cluster options that Pacemaker or an operation writes: never compared, never removed."""
OPERATOR_CONSTRAINT = "cli-"
HELD = "Stopped"
"""The target-role of a resource that is configured and not to be started yet."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Compare.

    Args:
        args: ``document``, a whole CIB as XML; ``held``, ids of resources that may wait to be let go.

    Returns:
        ``differences``: one line for each, sorted; "what: is → should be".
    """
    wanted = _meaning(configuration(ET.fromstring(args["document"])))
    actual = _meaning(configuration(query()))
    for name in args.get("held", ()):
        if actual.get(_role(name)) == HELD:
            del actual[_role(name)]
    lines = [
        f"{key}: {actual.get(key, 'absent')} → {wanted.get(key, 'absent')}"
        for key in wanted.keys() | actual.keys()
        if wanted.get(key) != actual.get(key)
    ]
    return {"differences": sorted(lines)}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Put the document in place, whole, after Pacemaker's own checker has passed it; then wait for calm.

    What is ``held`` and new is put in place stopped; `released` lets it go.

    Args:
        args: ``document``; ``held``; ``settle_s``, how long the cluster may take to carry it out.

    Raises:
        Failed: the checker or the cluster refused it (nothing has changed), or it is in place and the cluster
            has not come to rest in time.
    """
    wanted, live = ET.fromstring(args["document"]), query()
    _hold(configuration(wanted), configuration(live), args.get("held", ()))
    _merge(configuration(live), configuration(wanted))
    replace(live, int(args["settle_s"]))


def replace(live: ET.Element, settle_s: int) -> None:
    """Put the configuration of the whole CIB ``live`` in place, and wait at most so long for calm.

    Raises:
        Failed: as for `fix`.
    """
    with tempfile.TemporaryDirectory(prefix="quorate-cib-") as folder:
        whole, part = f"{folder}/cib.xml", f"{folder}/configuration.xml"
        live.set("have-quorum", "1")
        ET.ElementTree(live).write(whole)
        ET.ElementTree(configuration(live)).write(part)
        check = ["crm_verify", "--xml-file", whole, "-V"]
        tools.check(check, "Pacemaker's checker refused the configuration", timeout_s=30)
        put = ["cibadmin", "--replace", "--scope", "configuration", "--xml-file", part]
        tools.check(put, "Pacemaker refused the configuration", timeout_s=30)
    waited = tools.run(["crm_resource", "--wait", f"--timeout={settle_s}"], timeout_s=settle_s + 15)
    if waited.exit != 0:
        shown = [
            "crm_mon",
            "--one-shot",
            "--inactive",
            "--exclude=all",
            "--include=resources,failures,fencing",
        ]
        state = tools.run(shown, timeout_s=15)
        raise tools.Failed(
            f"the configuration is in place, but the cluster has not come to rest within {settle_s} s",
            f"{waited.words}\n{state.out.strip()}",
        )


def query() -> ET.Element:
    """The whole CIB. Raises NotReady where Pacemaker does not show it."""
    done = tools.run(["cibadmin", "--query"], timeout_s=10)
    if done.exit != 0:
        raise tools.NotReady("Pacemaker does not show its configuration", done.words)
    return ET.fromstring(done.out)


def configuration(cib: ET.Element) -> ET.Element:
    """The part of a CIB that is not status. Raises Failed where there is none."""
    found = cib.find("configuration")
    if found is None:
        raise tools.Failed("the CIB has no <configuration>")
    return found


def held(live: ET.Element, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are not in the configuration ``live``, or are held in it."""
    found = {one.get("id", ""): one for one in live.iterfind("resources/*")}
    return [name for name in names if name not in found or _holding(found[name])]


def release(live: ET.Element, names: Iterable[str]) -> None:
    """Take the hold off ``names`` in the configuration ``live``."""
    for resource in live.iterfind("resources/*"):
        if resource.get("id", "") in names:
            for block, pair in _holding(resource):
                block.remove(pair)


def _hold(wanted: ET.Element, live: ET.Element, names: Iterable[str]) -> None:
    """In ``wanted``, hold those of ``names`` that are new or held in ``live``."""
    waiting = set(held(live, names))
    for resource in wanted.iterfind("resources/*"):
        name = resource.get("id", "")
        if name in waiting:
            block = resource.find("meta_attributes")
            if block is None:
                block = ET.Element("meta_attributes", {"id": f"{name}-meta"})
                resource.insert(0, block)
            values = {"id": f"{name}-meta-target-role", "name": "target-role", "value": HELD}
            ET.SubElement(block, "nvpair", values)


def _holding(resource: ET.Element) -> list[tuple[ET.Element, ET.Element]]:
    """What holds it: pairs, each with its parent."""
    return [
        (block, pair)
        for block in resource.iterfind("meta_attributes")
        for pair in block.iterfind("nvpair")
        if pair.get("name") == "target-role" and pair.get("value") == HELD
    ]


def _role(name: str) -> str:
    return f"resource {name} meta target-role"


def _section(parent: ET.Element, tag: str) -> ET.Element:
    found = parent.find(tag)
    return found if found is not None else ET.Element(tag)


def _merge(live: ET.Element, wanted: ET.Element) -> None:
    """Make ``live`` mean what ``wanted`` does; keep what belongs to the cluster or to an operation."""
    kept = [pair for pair in live.iterfind("crm_config//nvpair") if pair.get("name") in OWN_PROPERTIES]
    moved = [
        one for one in live.iterfind("constraints/*") if one.get("id", "").startswith(OPERATOR_CONSTRAINT)
    ]
    for tag in ("crm_config", "resources", "constraints", "rsc_defaults", "op_defaults"):
        new = _section(wanted, tag)
        old = live.find(tag)
        if old is None:
            live.append(new)
        else:
            live[list(live).index(old)] = new
    properties = live.find("crm_config/cluster_property_set")
    if properties is None:
        parent = _section(live, "crm_config")
        properties = ET.SubElement(parent, "cluster_property_set", {"id": "cib-bootstrap-options"})
    properties.extend(kept)
    _section(live, "constraints").extend(moved)


def _meaning(settings: ET.Element) -> dict[str, str]:
    """A flat reading in which ids of pairs, operations and constraints, and the order, are gone."""
    meaning: dict[str, str] = {}
    for section, word in (
        ("crm_config", "property"),
        ("rsc_defaults", "default"),
        ("op_defaults", "op default"),
    ):
        for pair in settings.iterfind(f"{section}//nvpair"):
            if pair.get("name") not in OWN_PROPERTIES:
                meaning[f"{word} {pair.get('name')}"] = pair.get("value", "")
    for element in settings.iterfind("resources/*"):
        _resource(meaning, element)
    for constraint in settings.iterfind("constraints/*"):
        if not constraint.get("id", "").startswith(OPERATOR_CONSTRAINT):
            # A rule is told by its own attributes and those of its expressions.
            parts = [
                sorted(item for item in one.attrib.items() if item[0] != "id") for one in constraint.iter()
            ]
            words = " ".join(f"{key}={value}" for part in parts for key, value in part)
            meaning[f"{constraint.tag} {words}"] = "present"
    return meaning


def _resource(meaning: dict[str, str], element: ET.Element) -> None:
    name = element.get("id", "")
    members = [child for child in element if child.tag in ("primitive", "group", "clone")]
    agent = ":".join(filter(None, (element.get(key) for key in ("class", "provider", "type"))))
    meaning[f"resource {name}"] = (
        agent or f"{element.tag} of {', '.join(one.get('id', '') for one in members)}"
    )
    for block, word in (("instance_attributes", "parameter"), ("meta_attributes", "meta")):
        for pair in element.iterfind(f"{block}/nvpair"):
            meaning[f"resource {name} {word} {pair.get('name')}"] = pair.get("value", "")
    for operation in element.iterfind("operations/op"):
        parts = ("name", "role", "interval")
        key = " ".join(filter(None, (operation.get(part) for part in parts)))
        rest = sorted(item for item in operation.attrib.items() if item[0] not in ("id", *parts))
        meaning[f"resource {name} operation {key}"] = " ".join(f"{k}={v}" for k, v in rest)
    for member in members:
        _resource(meaning, member)
