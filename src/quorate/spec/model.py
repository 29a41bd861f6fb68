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


class Use(StrEnum):
    """What a network is for."""

    HOSTS = "hosts"
    """The nodes talk to each other and to clients; the kernel has the addresses."""
    TUNNELS = "tunnels"
    """Carries the guests' own networks between the nodes; Open vSwitch has the interface."""
    GUESTS = "guests"
    """The guests' way out; Open vSwitch has the interface, nodes have no address on it."""


class Network(Model):
    """An IPv4 network that the nodes are on."""

    cidr: IPv4Network
    use: Use = Use.HOSTS
    nic: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,15}$")] | None = None
    """The interface that a node has on it, where Open vSwitch has to know: the network's name if not said."""


class Vips(Model):
    """Whether each service has a virtual IP of its own or all share one."""

    policy: Literal["per-service", "shared"] = "per-service"
    address: IPv4Address | None = None
    """The one address, where the policy is ``shared``."""


class Node(Model):
    """A Debian 13 host."""

    roles: tuple[Role, ...] = (Role.CONTROLLER,)
    addresses: dict[Name, IPv4Address]
    """By network name; at least ``cluster`` and ``api``. On networks for guests nodes have none."""
    bmc: Bmc | None = None


AbsolutePath = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._:@+-]+)+$")]
"""A path from the root, of plain characters: it is written into units and into Pacemaker's configuration."""
Port = Annotated[int, Field(ge=1, le=65535)]


class HealthCheck(Model):
    """How a service of the user's own proves that it works: say one of ``http``, ``tcp`` and ``command``."""

    http: Annotated[str, StringConstraints(pattern=r"^/\S*$")] | None = None
    """A path: GET of it, on ``port``, has to answer below 400."""
    tcp: bool = False
    """``port`` has to take a connection."""
    command: tuple[str, ...] = ()
    """A program and its arguments, no shell: it has to end with 0."""
    deadline_s: Annotated[int, Field(ge=1, le=60)] = 2
    interval_s: Annotated[int, Field(ge=2, le=3600)] = 10
    """How often Pacemaker asks."""


class Storage(Model):
    """A file system on a block device that every node of the service sees: mounted on one at a time."""

    device: AbsolutePath
    """Its stable path, the same on every node: /dev/disk/by-id/…"""
    mount: AbsolutePath
    type: Literal["ext4"] = "ext4"
    size_mib: Annotated[int, Field(ge=64, le=65536)] = 256
    """How big a lab makes the disk; a real one is as big as it is."""


class OwnFile(Model):
    """A file that a service of the user's own needs on its nodes: say ``content`` or ``source``."""

    content: str | None = None
    source: str | None = None
    """A file beside cluster.yaml, read when the plan is made."""
    mode: Annotated[str, StringConstraints(pattern=r"^0?[0-7]{3}$")] = "0644"
    owner: str = "root"
    group: str = "root"


class Own(Model):
    """A service of the user's own: what quorate cannot know by itself."""

    unit: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:_.@-]+$")] | None = None
    """A systemd unit, with or without ``.service`` …"""
    agent: Annotated[str, StringConstraints(pattern=r"^ocf:[a-z0-9-]+:[A-Za-z0-9_.-]+$")] | None = None
    """… or an OCF resource agent: ``ocf:heartbeat:apache``."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """The agent's parameters."""
    start_s: Annotated[int, Field(ge=5, le=3600)] = 60
    """How long it may take to start until its health check passes."""
    stop_s: Annotated[int, Field(ge=1, le=3600)] = 15
    """How long it may take to stop in order; then its processes are killed. A hung one takes so long."""
    packages: tuple[str, ...] = ()
    """Debian packages."""
    files: dict[AbsolutePath, OwnFile] = Field(default_factory=dict)
    """By their path on the nodes. With storage, those below its mount go onto it, where it is mounted."""
    reload: bool = False
    """A change of its files reloads its unit, instead of restarting it."""
    port: Port | None = None
    """What its clients connect to, on its virtual IP."""
    server_port: Port | None = None
    """Active/active: where it listens on its nodes, if that is not ``port``. HAProxy is in front."""
    tls: bool = False
    """Active/active: HAProxy ends TLS with a certificate of the cluster's CA."""
    health: HealthCheck | None = None
    storage: Storage | None = None
    nodes: tuple[Name, ...] = ()
    """Where it may run; nothing said: on every controller."""
    prefer: Name | None = None
    """The node that it starts on, where that is up."""
    failback: bool = False
    """Whether it goes back to ``prefer`` by itself when that node returns."""


class ServiceSpec(Own):
    """What differs from a service's defaults; or, with ``unit`` or ``agent``, a service of the user's own."""

    enabled: bool = True
    mode: Mode | None = None
    vip: IPv4Address | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    """Checked against the service's own options."""

    @property
    def own(self) -> bool:
        """Whether it is the user's own, not one that quorate knows."""
        return self.unit is not None or self.agent is not None


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

    @property
    def computes(self) -> tuple[str, ...]:
        """The names of the nodes that run guests, in the order of the file."""
        return self.with_role(Role.COMPUTE)

    @property
    def storage_nodes(self) -> tuple[str, ...]:
        """The names of the nodes that hold data: with the role; if none has it, the controllers."""
        return self.with_role(Role.STORAGE) or self.controllers

    @property
    def remotes(self) -> tuple[str, ...]:
        """The nodes that have no vote: Pacemaker's remotes, which are watched and fenced all the same."""
        return tuple(name for name in self.nodes if name not in self.controllers)

    def networks_for(self, use: Use) -> tuple[str, ...]:
        """The names of the networks that are for ``use``, in the order of the file."""
        return tuple(name for name, network in self.networks.items() if network.use is use)

    @property
    def chassis(self) -> tuple[str, ...]:
        """The nodes that carry guests' networks: those with an address on the network for tunnels."""
        tunnels = self.networks_for(Use.TUNNELS)
        return tuple(name for name, node in self.nodes.items() if set(tunnels) & set(node.addresses))

    def address(self, node: str, network: str = "cluster") -> str:
        """The address of ``node`` on ``network``, as text. Raises KeyError where it has none."""
        return str(self.nodes[node].addresses[network])
