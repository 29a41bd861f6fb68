"""Rules on services of the user's own: what `services.<name>` with ``unit`` or ``agent`` may say."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.spec.catalogue import Catalogue
from quorate.spec.findings import Finding, warning
from quorate.spec.model import Cluster, Mode, Own, ServiceSpec
from quorate.spec.own import mode_of, unit_of
from quorate.spec.rules import own_placement, own_storage
from quorate.spec.rules.own_things import address, mine, place

OURS = ("vip-", "fence-")
"""How the ids of resources begin that the platform makes."""
HOSTS = ("dbus", "quorate-", "ssh.", "sshd.", "systemd-")
"""How units begin that a node cannot be without."""
MEMBERS = ("address", "disk", "files", "gate", "unit", "agent", "open", "clone", "meta")
"""What the ids of the members of a service's group end with."""


def platform_keys(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """What is for services of the user's own is not said of one that quorate knows."""
    for name, spec in cluster.services.items():
        if name in catalogue:
            for key in sorted(spec.model_fields_set & set(Own.model_fields)):
                yield Finding(
                    place(name, key),
                    f"{key} is for services of your own, and {name} is one that quorate brings",
                    "remove this line, or give your service another name",
                )


def program(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """A unit or an agent, and what belongs to it."""
    for name, spec in mine(cluster, catalogue):
        if spec.unit and spec.agent:
            yield Finding(
                place(name, "agent"),
                "it has a systemd unit too",
                "say one of them: unit for what systemd starts, agent for an OCF resource agent",
            )
        if spec.parameters and not spec.agent:
            yield Finding(
                place(name, "parameters"), "parameters are an agent's, and it has none", "remove them"
            )
        if spec.reload and not spec.unit:
            yield Finding(place(name, "reload"), "only a systemd unit can be reloaded", "remove this line")
        if spec.options:
            yield Finding(
                place(name, "options"), "a service of your own has no options", "say it in one of its files"
            )
        if spec.mode is Mode.SELF:
            yield Finding(
                place(name, "mode"),
                "a service of your own cannot be self: quorate would not know where it runs",
                "it can be active/passive or active/active",
            )


def units(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """A unit belongs to one service."""
    owners = {unit: name for name, known in catalogue.items() for unit in known.units}
    for name, spec in mine(cluster, catalogue):
        unit = unit_of(spec)
        if not unit:
            continue
        owner = "the host" if unit.startswith(HOSTS) else owners.setdefault(unit, name)
        if owner != name:
            yield Finding(place(name, "unit"), f"{unit} belongs to {owner}", "name a unit of your own")


def names(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """Pacemaker's ids are made of service names: none of them is made twice."""
    every = {name for name, _ in mine(cluster, catalogue)}
    for name in sorted(every):
        base, _, end = name.rpartition("-")
        if name.startswith(OURS) or name == "vip" or (end in MEMBERS and base in {*every, *catalogue}):
            yield Finding(
                ("services", name),
                f"{name} is what a resource of the cluster is called",
                "give it another name",
            )


def health(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """It proves in one way that it works."""
    for name, spec in mine(cluster, catalogue):
        check = spec.health
        if check is None:
            if spec.port is None:
                yield warning(
                    ("services", name),
                    "nothing proves that it works: as long as its process is there, it counts as healthy",
                    "add health: {http: /path}, {tcp: yes} or {command: [program, argument]}",
                )
            continue
        kinds = [kind for kind in ("http", "tcp", "command") if getattr(check, kind) not in (None, False, ())]
        if len(kinds) != 1:
            said = f"{' and '.join(kinds)} at once" if kinds else "no kind of check"
            yield Finding(place(name, "health"), said, "say exactly one of http, tcp and command")
        for kind in kinds:
            if kind != "command" and spec.port is None:
                yield Finding(
                    place(name, "health", kind), "there is no port to ask on", f"add services.{name}.port"
                )
        if any(not word or any(char.isspace() for char in word) for word in check.command):
            yield Finding(
                place(name, "health", "command"),
                "an argument is empty or has a space in it, which resource agents cannot hand on",
                "put the command into a script (under files) and name that",
            )


def address_and_port(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """Who has clients has an address and a port."""
    for name, spec in mine(cluster, catalogue):
        both = mode_of(spec) is Mode.ACTIVE_ACTIVE
        shared = cluster.vips.policy == "shared"
        if (spec.vip or both) and spec.port is None:
            why = "it has a virtual IP" if spec.vip else "HAProxy is in front of active/active"
            yield Finding(("services", name), f"{why}, but no port", "add port: what clients connect to")
        if both:
            yield from _behind_haproxy(cluster, name, spec)
            continue
        if shared and spec.port is not None:
            yield Finding(
                place(name, "port"),
                "active/passive moves with an address of its own, and all share one here",
                "say vips: {policy: per-service} and give it a vip; without clients, leave out the port",
            )
        for key in ("server_port", "tls"):
            if key in spec.model_fields_set:
                yield Finding(
                    place(name, key),
                    f"{key} is HAProxy's, which is only in front of active/active",
                    "remove this line, and say it in the service's own configuration",
                )


def _behind_haproxy(cluster: Cluster, name: str, spec: ServiceSpec) -> Iterator[Finding]:
    if spec.vip is None and cluster.vips.policy == "per-service":
        yield Finding(
            ("services", name),
            "active/active has no virtual IP to be reached by",
            f"add vip: {address(cluster)}",
        )
    if spec.port is not None and spec.server_port in (None, spec.port):
        yield Finding(
            place(name, "server_port" if spec.server_port else "port"),
            f"HAProxy has port {spec.port} on the same nodes, so the service itself cannot have it",
            "let it listen on another one, and say server_port: that one",
        )
    if spec.tls and (spec.health is None or spec.health.http is None):
        yield Finding(
            place(name, "tls"), "HAProxy ends TLS only for HTTP", "add health: {http: /}, or remove tls"
        )
    if spec.prefer or spec.failback:
        key = "prefer" if spec.prefer else "failback"
        yield Finding(place(name, key), "active/active runs on all its nodes at once", "remove this line")


def ports(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """Two services behind HAProxy do not share a port where they share an address or a node."""
    seen: list[tuple[str, ServiceSpec]] = []
    for name, spec in mine(cluster, catalogue):
        if mode_of(spec) is not Mode.ACTIVE_ACTIVE or not spec.enabled:
            continue
        for other, before in seen:
            if cluster.vips.policy == "shared" and spec.port is not None and spec.port == before.port:
                yield Finding(
                    place(name, "port"),
                    f"{other} has port {spec.port} on the address that all share",
                    "choose another one, or say vips: {policy: per-service}",
                )
            if spec.server_port is not None and spec.server_port == before.server_port:
                yield Finding(
                    place(name, "server_port"),
                    f"{other} listens on {spec.server_port} too",
                    "choose another one",
                )
        seen.append((name, spec))


RULES = (
    platform_keys, program, units, names, health, address_and_port, ports,
    *own_placement.RULES, *own_storage.RULES,
)  # fmt: skip
