"""What a service of the user's own means where cluster.yaml leaves it open. Pure."""

from __future__ import annotations

from quorate.spec.model import Cluster, HealthCheck, Mode, ServiceSpec

SUFFIXES = (".service", ".socket", ".target", ".timer", ".path")


def unit_of(spec: ServiceSpec) -> str:
    """Its systemd unit with the suffix; "" where an agent runs it."""
    if not spec.unit:
        return ""
    return spec.unit if spec.unit.endswith(SUFFIXES) else f"{spec.unit}.service"


def mode_of(spec: ServiceSpec) -> Mode:
    """Its mode; nothing said is active/passive: one at a time is never wrong."""
    return spec.mode or Mode.ACTIVE_PASSIVE


def nodes_of(cluster: Cluster, spec: ServiceSpec) -> tuple[str, ...]:
    """Where it may run, in the order of the file."""
    return tuple(name for name in cluster.controllers if not spec.nodes or name in spec.nodes)


def health_of(spec: ServiceSpec) -> HealthCheck | None:
    """How it proves that it works; else its port takes a connection. None: there is only its unit."""
    if spec.health is not None or spec.port is None:
        return spec.health
    return HealthCheck(tcp=True)


def server_port(spec: ServiceSpec) -> int | None:
    """The port that it listens on on its nodes."""
    return spec.server_port or spec.port


def below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or in it."""
    return path == folder or path.startswith(f"{folder}/")


def gated(spec: ServiceSpec) -> bool:
    """Whether new connections can be held back while it moves: it has an address and a port of its own."""
    return mode_of(spec) is Mode.ACTIVE_PASSIVE and spec.vip is not None and spec.port is not None


def on_storage(spec: ServiceSpec) -> tuple[str, ...]:
    """Those of its files that are on its shared storage."""
    if spec.storage is None:
        return ()
    mount = spec.storage.mount
    return tuple(path for path in spec.files if below(path, mount))
