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
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from quorate.pacemaker.model import Fragment
from quorate.resources.base import Placed, State
from quorate.secrets.pki import Pki
from quorate.secrets.store import Secrets
from quorate.spec.model import Cluster, Mode, Use

if TYPE_CHECKING:
    from quorate.services.day.contract import Step


READY_S = 300.0
"""How long an apply waits until what it has started does its job, seconds: on a small machine a whole cloud
starts at the same time."""


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
    timeout_s: float | None = None
    """How long the answer may take, seconds; HAProxy's own option if not said. A node that is gone is found
    sooner all the same: it does not take the connection."""
    every_s: float | None = None
    """Between two checks of a server that is well, seconds; HAProxy's own option if not said. For one that
    pays much for an answer: each of the balancers asks it, and what clients meet is counted as well. One in
    doubt is asked eight times as often at most, one that is out four times: asked more, it stays slow."""


@dataclass(frozen=True)
class Frontend:
    """A port on a virtual IP, and the servers behind it (the service's own port on every controller).

    Args:
        service: whose it is; also the name of the VIP and of the HAProxy back end.
        port: on the virtual IP.
        backend_port: on each controller's cluster address.
        check: how a server proves itself; None: it takes a connection.
        http: layer 7; otherwise plain TCP.
        tls: at layer 7, TLS is ended at HAProxy.
        nodes: where its servers are; none named: every controller.
        single_writer: one server at a time, the same on every HAProxy; no fail-back; it going cuts sessions.
        local_port: also listened on at 127.0.0.1 on every controller, for the services there; of a service
            without a virtual IP it is the only one.
        retry_methods: HTTP methods that are safe to send again to another server when a server dies.
        timeout_server_s: how long a server may be silent, seconds; of plain TCP the client too.
        server_limit: requests that a server gets at the same time; the others wait at HAProxy, and those
            whose client went away are dropped there. Fewer than it can serve, so that a check finds it free:
            under overload servers are slow, not dead.
    """

    service: str
    port: int
    backend_port: int
    check: HttpCheck | None
    http: bool = True
    tls: bool = True
    nodes: tuple[str, ...] = ()
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
class Account:
    """An account of a service in Keystone, with ``roles`` in the project ``service``.

    Its password is the secret ``os-<name>``. The role ``service`` lets its token stand beside a user's own,
    which may have run out meanwhile.
    """

    name: str
    roles: tuple[str, ...] = ("admin", "service")


@dataclass(frozen=True)
class CatalogueEntry:
    """What clients find a service by in Keystone's catalogue: three interfaces with one URL.

    Args:
        service: whose front end it is; with ``port`` and ``path`` it makes the URL.
        name: in the catalogue ("glance").
        type: in the catalogue ("image"; the OpenStack service types authority has the list).
        port: of the front end.
        path: what follows the port ("/v2.1", "/v1/AUTH_%(project_id)s").
    """

    service: str
    name: str
    type: str
    port: int
    path: str = ""


@dataclass(frozen=True)
class Pool:
    """A pool of replicated block devices that a service wants from the storage cluster.

    The client's key is the secret ``ceph-<client>``; its keyring is /etc/ceph/ceph.client.<client>.keyring on
    every controller, and on every compute node too where ``computes`` says so. Several services may offer one
    pool, each with a client of its own; one client may use several pools.

    Args:
        name: of the pool ("images").
        client: whose key opens it, without "client." ("glance").
        pg_num: placement groups, a power of two; where several offer the pool, the largest counts.
        owner: the group on the nodes that may read the keyring ("glance"); of one client always the same.
        read_only: the client may only read (copy-on-write from another service's pool).
        computes: compute nodes need the keyring too.
    """

    name: str
    client: str
    pg_num: int = 8
    owner: str = "root"
    read_only: bool = False
    computes: bool = False


@dataclass(frozen=True)
class Offers:
    """What a service brings to the others and needs from them. Pure, from the spec alone."""

    frontends: tuple[Frontend, ...] = ()
    databases: tuple[Database, ...] = ()
    message_users: tuple[str, ...] = ()
    """Accounts on the message broker; each one's password is the secret ``mq-<name>``."""
    accounts: tuple[Account, ...] = ()
    """Accounts in Keystone, made before any service is asked to work."""
    catalogue: tuple[CatalogueEntry, ...] = ()
    """Entries in Keystone's catalogue."""
    pools: tuple[Pool, ...] = ()
    """Pools of the storage cluster, each with the client that uses it."""
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


Ask = Callable[[str, str, Mapping[str, Any], float], Awaitable[State]]
"""Node, kind of `quorate.node`, args, seconds → what a look there finds. Raises QuorateError."""


@dataclass(frozen=True)
class Outside:
    """What a client outside the cluster has: addresses, the CA, the accounts."""

    cluster: Cluster
    secrets: Secrets
    ca_file: str
    vips: Mapping[str, str]
    """Service name to the address that its clients use."""
    ask: Ask | None = field(default=None, repr=False)
    """For proofs that no client outside can make: Ceph's clients are the services on the nodes."""
    guest: Callable[[], Awaitable[Path]] | None = field(default=None, repr=False)
    """Where the image is that a tenant's server is made from; raises QuorateError where there is none."""


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
    accounts: Sequence[Account]
    catalogue: Sequence[CatalogueEntry]
    pools: Sequence[Pool]
    fragments: Sequence[Fragment]
    vips: Mapping[str, str]
    """Service name to virtual IP, for every service that has a front end."""
    options: Mapping[str, Options]
    modes: Mapping[str, Mode]
    """Service name to the mode that it runs in."""
    packages: Mapping[str, Sequence[str]]
    """Node to the Debian packages that its services need, sorted."""

    @property
    def controllers(self) -> tuple[str, ...]:
        """Controllers, in the order of the file."""
        return self.cluster.controllers

    @property
    def leader(self) -> str:
        """The controller on which cluster-wide things are placed: the first in the file."""
        return self.controllers[0]

    def maker(self, account: str) -> str:
        """The controller that makes the tables of ``account``, a user of the database.

        Not the same for all: they do not need each other, so they are made side by side.
        """
        every = list(dict.fromkeys(database.user for database in self.databases))
        return self.controllers[every.index(account) % len(self.controllers)]

    def vip_name(self, service: str) -> str:
        """The name that resolves to the VIP of ``service`` on every node, and is in its certificate."""
        return f"{service}.{self.cluster.cluster}"


class Service(ABC):
    """One service. Subclasses set the attributes below and override what they need.

    Attributes:
        name: as in cluster.yaml and on the command line.
        summary: one line for people.
        modes: the modes it can have; the first is its default.
        needs_vip: clients reach it through a virtual IP.
        always: part of every cluster, not only of those whose spec names it.
        needs: services that have to be in the cluster too; checked when cluster.yaml is read.
        networks: uses of networks that the cluster has to have for it; checked like ``needs``.
        packages: Debian packages that controllers need for it.
        compute_packages: Debian packages that nodes with the role ``compute`` need for it.
        memory_mib: roughly what it takes on each controller (PSS in the lab, benchmarks/rest.py).
        compute_memory_mib: the same, on each compute.
        units: systemd units of it, the one that serves first (what a kill or hang drill hits).
        Options: its options in cluster.yaml.
    """

    name: str
    summary: str
    modes: tuple[Mode, ...]
    needs_vip: bool = False
    always: bool = False
    needs: tuple[str, ...] = ()
    networks: tuple[Use, ...] = ()
    packages: tuple[str, ...] = ()
    compute_packages: tuple[str, ...] = ()
    memory_mib: int = 0
    compute_memory_mib: int = 0
    units: tuple[str, ...] = ()
    Options: type[Options] = Options

    @classmethod
    def packages_on(cls, cluster: Cluster, node: str) -> Iterable[str]:
        """The Debian packages that ``node`` needs for it. Override it where roles do not decide that."""
        packages = cls.packages if node in cluster.controllers else ()
        return (*packages, *(cls.compute_packages if node in cluster.computes else ()))

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

    def day(self, ctx: Context) -> Iterable[Step]:
        """Its part of a tenant's day."""
        return ()
