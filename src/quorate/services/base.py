"""What a service is. One file a service in this folder; being there registers it (`services.registry`).

Services never import each other. What one offers (a front end, a database it wants, its part of the cluster's
configuration) is collected from all of them and handed to the one that serves it, in `Context`.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from quorate.pacemaker.model import Fragment
from quorate.resources.base import Placed
from quorate.secrets.pki import Pki
from quorate.secrets.store import Secrets
from quorate.spec.model import Cluster, Mode


class Options(BaseModel):
    """A service's options in cluster.yaml. Subclass it; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class HttpCheck:
    """How HAProxy asks a server whether it is fit: GET ``path`` must answer ``status``."""

    path: str
    status: str = "200"
    port: int | None = None
    """Another port of the same server, where the check is not on the service's own."""


@dataclass(frozen=True)
class Frontend:
    """A port on a virtual IP, and the servers behind it (the service's own port on every controller).

    Args:
        service: whose it is; also the name of the VIP and of the HAProxy back end.
        port: on the virtual IP.
        backend_port: on each controller's cluster address.
        check: how a server proves itself.
        http: layer 7 with TLS ended at HAProxy; otherwise plain TCP.
        single_writer: one server at a time, the same on every HAProxy; no fail-back; it going cuts sessions.
        local_port: also listened on at 127.0.0.1 on every controller, for the services there.
        retry_methods: HTTP methods that are safe to send again to another server when a server dies.
        timeout_server_s: how long a server may be silent, seconds; of plain TCP the client too.
        server_limit: requests that a server gets at the same time; the others wait at HAProxy, and those
            whose client went away are dropped there. Fewer than it can serve, so that a check finds it free:
            under overload servers are slow, not dead.
    """

    service: str
    port: int
    backend_port: int
    check: HttpCheck
    http: bool = True
    single_writer: bool = False
    local_port: int | None = None
    retry_methods: tuple[str, ...] = ("GET", "HEAD", "OPTIONS")
    timeout_server_s: float = 60.0
    server_limit: int | None = None


@dataclass(frozen=True)
class Database:
    """A schema and the account that owns it. The password is the secret ``db-<name>``."""

    name: str
    user: str


@dataclass(frozen=True)
class Offers:
    """What a service brings to the others and needs from them. Pure, from the spec alone."""

    frontends: tuple[Frontend, ...] = ()
    databases: tuple[Database, ...] = ()
    message_users: tuple[str, ...] = ()
    """Accounts on the message broker; each one's password is the secret ``mq-<name>``."""
    fragment: Fragment = field(default_factory=Fragment)


class Health(StrEnum):
    """What a look at a service on a node found. *Active* alone is never OK."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judgement:
    """A verdict on one service on one node, in words, with what to do where it is not OK."""

    health: Health
    text: str = ""
    next_step: str = ""


@dataclass(frozen=True)
class HealthProbe:
    """A question for one node: asked with `quorate.node`'s ``kind`` look, judged here."""

    service: str
    node: str
    kind: str
    args: Mapping[str, Any] = field(repr=False)
    """May hold a password, so that it never shows in a ``repr``."""
    judge: Callable[[Mapping[str, Any]], Judgement]


@dataclass(frozen=True)
class Outside:
    """What a client outside the cluster has: addresses, the CA, the accounts."""

    cluster: Cluster
    secrets: Secrets
    ca_file: str
    vips: Mapping[str, str]
    """Service name to the address that its clients use."""


@dataclass(frozen=True)
class VerifyStep:
    """One functional proof, from outside. ``run`` returns its evidence in a line, or raises the reason."""

    service: str
    title: str
    run: Callable[[Outside], Awaitable[str]]
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Context:
    """Everything that a service may know when it says what should be."""

    cluster: Cluster
    folder: Path
    """Where cluster.yaml is: relative paths in it (``password_file``) start here."""
    secrets: Secrets
    pki: Pki
    """The cluster's certificate authority: ``ctx.pki.certificate(name, addresses, names)``."""
    frontends: Sequence[Frontend]
    databases: Sequence[Database]
    message_users: Sequence[str]
    fragments: Sequence[Fragment]
    vips: Mapping[str, str]
    """Service name to virtual IP, for every service that has a front end."""
    options: Mapping[str, Options]
    modes: Mapping[str, Mode]
    """Service name to the mode that it runs in."""
    packages: Sequence[str]
    """The Debian packages of all services of this cluster, sorted."""

    @property
    def controllers(self) -> tuple[str, ...]:
        """Controllers, in the order of the file."""
        return self.cluster.controllers

    @property
    def leader(self) -> str:
        """The controller on which cluster-wide things are placed: the first in the file."""
        return self.controllers[0]

    def vip_name(self, service: str) -> str:
        """The name that resolves to the VIP of ``service`` on every node, and is in its certificate."""
        return f"{service}.{self.cluster.cluster}"


class Service(ABC):
    """One service. Subclasses set the class variables and override what they need.

    Attributes:
        name: as in cluster.yaml and on the command line.
        summary: one line for people.
        modes: the modes it can have; the first is its default.
        needs_vip: clients reach it through a virtual IP.
        always: part of every cluster, not only of those whose spec names it.
        needs: services that have to be in the cluster too; checked when cluster.yaml is read.
        packages: Debian packages that its nodes need.
        units: systemd units of it, the one that serves first (what a kill or hang drill hits).
        Options: its options in cluster.yaml.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    modes: ClassVar[tuple[Mode, ...]]
    needs_vip: ClassVar[bool] = False
    always: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    units: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[type[Options]] = Options

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """What it brings and needs. Pure."""
        return Offers()

    def fragment(self, ctx: Context) -> Fragment:
        """Its part of Pacemaker's configuration where that depends on the others: VIPs, front ends.

        ``ctx.fragments`` is empty here: all of them are being collected.
        """
        return Fragment()

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """What should be on the nodes for it."""
        return ()

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """What to ask the nodes to know how it is. One probe or more a node."""
        return ()

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """Functional proofs, as a client outside would do them."""
        return ()
