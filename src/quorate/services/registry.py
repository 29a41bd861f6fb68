"""Finds the services, and puts those that a cluster has together into one platform."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import quorate.services
from quorate.errors import SpecError
from quorate.home import Home
from quorate.pacemaker.model import Fragment
from quorate.resources.base import Placed
from quorate.secrets.pki import Pki
from quorate.secrets.store import Secrets
from quorate.services.base import Context, Frontend, HealthProbe, Offers, Options, Service, VerifyStep
from quorate.services.day.contract import Step
from quorate.services.own import Own
from quorate.spec.model import Cluster, Mode


def collect(classes: Iterable[type[Service]]) -> dict[str, type[Service]]:
    """``classes`` by name. Raises ValueError where two have the same."""
    found: dict[str, type[Service]] = {}
    for service in classes:
        if service.name in found:
            other = found[service.name].__module__
            raise ValueError(f"two services are called {service.name!r}: {other} and {service.__module__}")
        found[service.name] = service
    return found


def available() -> dict[str, type[Service]]:
    """Every service that has a file in this folder, by name, in alphabetical order.

    Raises:
        ValueError: two of them have the same name.
    """
    classes: list[type[Service]] = []
    for module in sorted(pkgutil.iter_modules(quorate.services.__path__), key=lambda module: module.name):
        loaded = importlib.import_module(f"{quorate.services.__name__}.{module.name}")
        classes += [
            value
            for value in vars(loaded).values()
            if inspect.isclass(value)
            and issubclass(value, Service)
            and value.__module__ == loaded.__name__
            and "name" in vars(value)
        ]
    return dict(sorted(collect(classes).items()))


def packages_of(cluster: Cluster, node: str) -> tuple[str, ...]:
    """The Debian packages that ``node`` needs, sorted: what the image of its machine has to hold.

    Not the same on all nodes: ``pacemaker`` and ``pacemaker-remote`` exclude each other. Services that there
    are not are left out: `platform` is who reports them.
    """
    known = available()
    found = {
        package for name in _chosen(cluster, known) for package in known[name].packages_on(cluster, node)
    }
    for service in _own(cluster, known).values():
        found.update(service.packages_for(cluster, node))
    return tuple(sorted(found))


def memory_of(cluster: Cluster, node: str) -> int:
    """The memory in MiB that the services of ``node`` take in a lab; the system itself comes on top."""
    known = available()
    chosen = [known[name] for name in _chosen(cluster, known)]
    controller, compute = node in cluster.controllers, node in cluster.computes
    return sum(one.memory_mib * controller + one.compute_memory_mib * compute for one in chosen)


def _chosen(cluster: Cluster, known: Mapping[str, type[Service]]) -> list[str]:
    """The services of ``cluster`` that quorate knows: the platform's own first, then as in cluster.yaml."""
    always = [name for name, service in known.items() if service.always]
    return always + [
        name
        for name, spec in cluster.services.items()
        if name in known and spec.enabled and not known[name].always
    ]


def _own(cluster: Cluster, known: Mapping[str, type[Service]]) -> dict[str, Own]:
    """The services of ``cluster`` that are the user's own."""
    return {
        name: Own(name, spec)
        for name, spec in cluster.services.items()
        if spec.own and spec.enabled and name not in known
    }


def _clashes(frontends: Iterable[Frontend], vips: Mapping[str, str]) -> Iterator[str]:
    """Front ends that want the same port of the same address: HAProxy would not start."""
    owners: dict[tuple[str, int], str] = {}
    for one in frontends:
        address = vips.get(one.service, "")
        owner = owners.setdefault((address, one.port), one.service)
        if address and owner != one.service:
            yield f"services.{one.service}: port {one.port} of {address} is {owner}'s; choose another one"


@dataclass(frozen=True)
class Platform:
    """The services of one cluster, and everything that they say together.

    Attributes:
        ctx: what the services were told.
        services: those that this cluster has, by name: the platform's own first, then as in cluster.yaml.
    """

    ctx: Context
    services: Mapping[str, Service]

    @property
    def vips(self) -> Mapping[str, str]:
        """Service to the address that its clients use; one for all where the policy is ``shared``."""
        return self.ctx.vips

    def desired(self) -> list[Placed]:
        """Everything that should be on the nodes; what several ask for alike (a folder) is there once."""
        everything = [placed for service in self.services.values() for placed in service.resources(self.ctx)]
        everything.sort(key=lambda placed: placed.stage)
        first: dict[tuple[str, str], Placed] = {}
        for placed in everything:
            first.setdefault((placed.node, placed.resource.id), placed)
        return [
            placed
            for placed in everything
            if (kept := first[placed.node, placed.resource.id]) is placed
            or kept.resource != placed.resource  # two opinions on one thing: the engine refuses them
        ]

    def probes(self) -> list[HealthProbe]:
        """Every question that ``status`` asks."""
        return [probe for service in self.services.values() for probe in service.health(self.ctx)]

    def verify_steps(self) -> list[VerifyStep]:
        """Every functional proof, from outside."""
        return [step for service in self.services.values() for step in service.verify(self.ctx)]

    def day_steps(self) -> list[Step]:
        """Every step of a tenant's day."""
        return [step for service in self.services.values() for step in service.day(self.ctx)]


def platform(cluster: Cluster, home: Home, folder: Path | None = None) -> Platform:
    """The platform that ``cluster`` describes, with its secrets and certificates in ``home``.

    Args:
        cluster: the spec.
        home: the cluster's own folder.
        folder: where cluster.yaml is, which relative paths in it start from; ``home`` itself where left out.

    Raises:
        SpecError: a service is unknown, has an option or a mode that it cannot have, or lacks its virtual IP.
            All of them are reported at once.
    """
    known = available()
    unknown = [name for name, spec in cluster.services.items() if name not in known and not spec.own]
    findings = [f"services.{name}: there is no such service" for name in unknown]
    services: dict[str, Service] = {name: known[name]() for name in _chosen(cluster, known)}
    services |= _own(cluster, known)
    options: dict[str, Options] = {}
    modes: dict[str, Mode] = {}
    for name, service in services.items():
        given = cluster.services.get(name)
        try:
            options[name] = service.Options.model_validate(given.options if given else {})
        except ValidationError as error:
            findings += [_finding(name, mistake) for mistake in error.errors()]
            continue
        modes[name] = (given.mode if given else None) or service.modes[0]
        if modes[name] not in service.modes:
            findings.append(
                f"services.{name}.mode: {modes[name].value} is not possible; it can be "
                + ", ".join(mode.value for mode in service.modes)
            )
    vips = _vips(cluster, services, findings)
    if findings:
        raise SpecError("the services cannot be put together", tuple(findings), where=str(home.spec))
    offers = {name: service.offers(cluster, options[name]) for name, service in services.items()}
    clashes = tuple(_clashes((one for offer in offers.values() for one in offer.frontends), vips))
    if clashes:
        raise SpecError("the services cannot be put together", clashes, where=str(home.spec))
    ctx = _context(cluster, home, folder or home.path, offers, vips, options, modes)
    parts = [offer.fragment for offer in offers.values()]
    parts += [service.fragment(ctx) for service in services.values()]
    return Platform(replace(ctx, fragments=tuple(part for part in parts if part != Fragment())), services)


def _context(
    cluster: Cluster,
    home: Home,
    folder: Path,
    offers: Mapping[str, Offers],
    vips: Mapping[str, str],
    options: Mapping[str, Options],
    modes: Mapping[str, Mode],
) -> Context:
    return Context(
        cluster=cluster,
        folder=folder,
        secrets=Secrets(home.secrets),
        pki=Pki(home),
        frontends=tuple(frontend for offer in offers.values() for frontend in offer.frontends),
        databases=tuple(database for offer in offers.values() for database in offer.databases),
        message_users=tuple(user for offer in offers.values() for user in offer.message_users),
        accounts=tuple(account for offer in offers.values() for account in offer.accounts),
        catalogue=tuple(entry for offer in offers.values() for entry in offer.catalogue),
        pools=tuple(pool for offer in offers.values() for pool in offer.pools),
        fragments=(),
        vips=vips,
        options=options,
        modes=modes,
        packages={node: packages_of(cluster, node) for node in cluster.nodes},
    )


def _vips(cluster: Cluster, services: Mapping[str, Service], findings: list[str]) -> dict[str, str]:
    vips: dict[str, str] = {}
    for name, service in services.items():
        if not service.needs_vip:
            continue
        spec = cluster.services.get(name)
        address = cluster.vips.address if cluster.vips.policy == "shared" else spec.vip if spec else None
        if address is None:
            key = "vips.address" if cluster.vips.policy == "shared" else f"services.{name}.vip"
            findings.append(f"{key}: {name} needs a virtual IP; give an unused address of the network 'api'")
        else:
            vips[name] = str(address)
    return vips


def _finding(name: str, mistake: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in mistake["loc"])
    return f"services.{name}.options.{path}: {mistake['msg']}"
