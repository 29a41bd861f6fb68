"""cluster.yaml as typed, frozen values. Pure: reading files is `spec.load`, judging them `spec.rules`."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$")]
"""A cluster, node or service name: a DNS label (RFC 1123) of at most 15 characters (an interface's limit)."""


class Model(BaseModel):
    """Frozen, and a stranger to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mode(StrEnum):
    """How a service stays available."""

    ACTIVE_ACTIVE = "active/active"
    """A clone on every controller behind HAProxy and a virtual IP."""
    ACTIVE_PASSIVE = "active/passive"
    """On one node at a time; moves with its virtual IP once the old node is certainly off."""
    SELF = "self"
    """Brings its own availability (Galera, RabbitMQ, Ceph, OVN, Swift)."""


class Role(StrEnum):
    """What a node is for."""

    CONTROLLER = "controller"
    COMPUTE = "compute"
    STORAGE = "storage"


class Sla(Model):
    """What clients are promised."""

    objective: Annotated[float, Field(gt=50, lt=100)] = 99.99
    """Percent of requests, or of time, over a year."""


class Ssh(Model):
    """How quorate reaches the nodes. Paths are relative to cluster.yaml."""

    user: str = "root"
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    key: str = "ssh/id_ed25519"
    known_hosts: str = "ssh/known_hosts"


class Bmc(Model):
    """A node's baseboard management controller, which speaks IPMI 2.0 (RMCP+) over LAN."""

    address: IPv4Address
    port: Annotated[int, Field(ge=1, le=65535)] = 623
    user: str = "admin"
    password_file: str
    """A file that only its owner can read; relative to cluster.yaml."""
    cipher: Annotated[int, Field(ge=0, le=17)] = 3
    privilege: Literal["user", "operator", "administrator"] = "administrator"


class Fencing(Model):
    """What happens to a node that stopped answering."""

    action: Literal["reboot", "off"] = "reboot"
    timeout_s: Annotated[int, Field(ge=5, le=600)] = 40


class Network(Model):
    """An IPv4 network that the nodes are on."""

    cidr: IPv4Network


class Vips(Model):
    """Whether each service has a virtual IP of its own or all share one."""

    policy: Literal["per-service", "shared"] = "per-service"
    address: IPv4Address | None = None
    """The one address, where the policy is ``shared``."""


class Node(Model):
    """A Debian 13 host."""

    roles: tuple[Role, ...] = (Role.CONTROLLER,)
    addresses: dict[Name, IPv4Address]
    """By network name; at least ``cluster`` and ``api``."""
    bmc: Bmc | None = None


class ServiceSpec(Model):
    """What differs from a service's defaults."""

    enabled: bool = True
    mode: Mode | None = None
    vip: IPv4Address | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    """Checked against the service's own options."""


class Cluster(Model):
    """One highly available control plane."""

    api_version: Annotated[Literal["quorate/v1"], Field(alias="apiVersion")]
    cluster: Name
    release: Literal["2025.1"] = "2025.1"
    region: str = "RegionOne"
    sla: Sla = Sla()
    ssh: Ssh = Ssh()
    fencing: Fencing = Fencing()
    networks: dict[Name, Network]
    vips: Vips = Vips()
    nodes: dict[Name, Node]
    services: dict[Name, ServiceSpec] = Field(default_factory=dict)

    def with_role(self, role: Role) -> tuple[str, ...]:
        """The names of the nodes that have ``role``, in the order of the file."""
        return tuple(name for name, node in self.nodes.items() if role in node.roles)

    @property
    def controllers(self) -> tuple[str, ...]:
        """The names of the controllers, in the order of the file."""
        return self.with_role(Role.CONTROLLER)

    def address(self, node: str, network: str = "cluster") -> str:
        """The address of ``node`` on ``network``, as text. Raises KeyError where it has none."""
        return str(self.nodes[node].addresses[network])
