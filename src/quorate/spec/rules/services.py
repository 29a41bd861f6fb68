"""Rules on services, given what there are and what each can do."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from quorate.spec import schema_errors
from quorate.spec.catalogue import Catalogue
from quorate.spec.findings import Finding, meant, warning
from quorate.spec.model import Cluster, Own
from quorate.spec.rules.addresses import free


def known(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """Every service in the file exists."""
    for name, service in cluster.services.items():
        if name in catalogue or service.own:
            continue
        right = meant(name, list(catalogue), "services")
        if service.model_fields_set & set(Own.model_fields):
            right = "for a service of your own say what runs it: unit (of systemd) or agent (OCF)"
        yield Finding(("services", name), f"there is no service {name!r}", right)


def modes(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """A service has a mode that it can have."""
    for name, service in cluster.services.items():
        if name in catalogue and service.mode and service.mode not in catalogue[name].modes:
            yield Finding(
                ("services", name, "mode"),
                f"{name} cannot be {service.mode.value}",
                f"it can be {' or '.join(mode.value for mode in catalogue[name].modes)}",
            )


def options(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """A service's options are ones that it has."""
    for name, service in cluster.services.items():
        if name in catalogue:
            model = catalogue[name].options
            try:
                model.model_validate(service.options)
            except ValidationError as error:
                yield from schema_errors.findings(error, model, ("services", name, "options"))


def always_there(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """What every cluster stands on cannot be switched off."""
    for name, service in cluster.services.items():
        if name in catalogue and catalogue[name].always and not service.enabled:
            yield Finding(("services", name, "enabled"), f"every cluster needs {name}", "remove this line")


def present(cluster: Cluster, catalogue: Catalogue) -> set[str]:
    """The services that the cluster has: those in the file, unless switched off, and those always there."""
    enabled = {name for name, service in cluster.services.items() if service.enabled}
    return enabled | {name for name, service in catalogue.items() if service.always}


def needs(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """What a service stands on is in the cluster too."""
    there = present(cluster, catalogue)
    for name in cluster.services:
        if name in there and name in catalogue:
            for other in catalogue[name].needs:
                if other not in there:
                    yield Finding(
                        ("services", name),
                        f"{name} needs {other}, which this cluster does not have",
                        f"add {other} under services",
                        relies_on=("services", other),
                    )


def networks_needed(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """What a service's traffic goes over is there."""
    for name in sorted(present(cluster, catalogue)):
        for use in catalogue[name].networks if name in catalogue else ():
            if not cluster.networks_for(use):
                yield Finding(
                    ("services", name),
                    f"{name} needs a network for {use.value}",
                    f"add one under networks: {{cidr: …, use: {use.value}}}",
                    relies_on=("networks",),
                )


def virtual_ips(cluster: Cluster, catalogue: Catalogue) -> Iterator[Finding]:
    """With one virtual IP a service, all that clients reach have one. No address is proposed twice."""
    if cluster.vips.policy != "per-service":
        return
    enabled = present(cluster, catalogue)
    lacking = [
        name
        for name, service in catalogue.items()
        if name in enabled
        and service.needs_vip
        and not (name in cluster.services and cluster.services[name].vip)
    ]
    proposals = iter(free(cluster, "api", len(lacking)))
    for name in lacking:
        address = next(proposals, None)
        yield Finding(
            ("services", name),
            f"{name} has no virtual IP",
            f"add vip: {address}, which is free" if address else "add vip: an address of the api network",
        )
    for name, given in cluster.services.items():
        if name in catalogue and given.vip and not catalogue[name].needs_vip:
            yield warning(
                ("services", name, "vip"), f"{name} has no use for a virtual IP", "remove this line"
            )


RULES = (known, modes, options, always_there, needs, networks_needed, virtual_ips)
