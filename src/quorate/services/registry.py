"""Finds the services, and puts those that a cluster has together into one platform."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping
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
from quorate.services.base import Context, HealthProbe, Offers, Options, Service, VerifyStep
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


def _packages(services: Iterable[type[Service] | Service]) -> tuple[str, ...]:
    return tuple(sorted({package for service in services for package in service.packages}))


def image_packages() -> tuple[str, ...]:
    """The Debian packages of all services there are, sorted: what a machine image has to hold."""
    return _packages(available().values())


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
    unknown = [name for name in cluster.services if name not in known]
    findings = [f"services.{name}: there is no such service" for name in unknown]
    chosen = [name for name, service in known.items() if service.always]
    chosen += [
        name
        for name, spec in cluster.services.items()
        if name in known and spec.enabled and not known[name].always
    ]
    services = {name: known[name]() for name in chosen}
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
    ctx = _context(
        cluster, home, folder or home.path, offers, vips, options, modes, _packages(services.values())
    )
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
    packages: tuple[str, ...],
) -> Context:
    return Context(
        cluster=cluster,
        folder=folder,
        secrets=Secrets(home.secrets),
        pki=Pki(home),
        frontends=tuple(frontend for offer in offers.values() for frontend in offer.frontends),
        databases=tuple(database for offer in offers.values() for database in offer.databases),
        message_users=tuple(user for offer in offers.values() for user in offer.message_users),
        fragments=(),
        vips=vips,
        options=options,
        modes=modes,
        packages=packages,
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
