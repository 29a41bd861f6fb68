"""Neutron's names, ports and options."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, cast

from pydantic import Field, model_validator

from quorate.errors import SpecError
from quorate.services import guestnet
from quorate.services.base import Context, Database, Options
from quorate.spec.model import Cluster, Name

NEUTRON = "neutron"
"""The service, its account in Keystone and on the nodes."""
PORT = 9696
FOLDER, STATE = "/etc/neutron", "/var/lib/neutron"
CONFIG, METADATA_CONFIG = f"{FOLDER}/neutron.conf", f"{FOLDER}/quorate-metadata.ini"
DATABASE = Database(NEUTRON, NEUTRON)
SOCKET = f"{STATE}/metadata_proxy"
"""Where the metadata agent of a host answers."""
SWITCH = "unix:/run/openvswitch/db.sock"
NOVA, METADATA_PORT, METADATA_SECRET = "nova", 8775, "metadata-proxy"
"""Who knows the guests' metadata, and the secret by which it knows who asks."""
PLUGINS = ("ovn-router", "port_forwarding", "trunk")
LOCK = "ovn_db_inconsistencies_periodics"
"""The lock of the northbound database that one maintenance worker has (Neutron's source, maintenance.py)."""


class External(Options):
    """A network that floating IPs are from: flat, on a network of the spec that is for guests."""

    name: str = "public"
    network: Name | None = None
    """Of the spec, with ``use: guests``; not needed where there is only one."""
    gateway: IPv4Address | None = None
    """The router outside; the network's first address if not said."""
    first: IPv4Address | None = None
    """Floating IPs and routers get addresses from here; the upper half of the network if not said …"""
    last: IPv4Address | None = None
    """… to here."""

    @model_validator(mode="after")
    def _both(self) -> External:
        if (self.first is None) != (self.last is None):
            raise ValueError("say both, first and last, or none")
        return self


class NeutronOptions(Options):
    """What can differ from one Neutron to the next. Times in seconds where nothing else is said."""

    processes: Annotated[int, Field(ge=2, le=64)] = 2
    """Worker processes of the API on each controller, about 190 MB each: one request at a time each."""
    request_limit_s: Annotated[int, Field(ge=30, le=600)] = 90
    """A worker that is longer at one request is ended."""
    database_timeout_s: Annotated[int, Field(ge=2, le=600)] = 20
    """How long one answer of the database may take before the connection is given up."""
    probe_ms: Annotated[int, Field(ge=1000, le=600_000)] = 2000
    """A database of OVN's that is silent for twice as long is left for another; milliseconds."""
    ovn_timeout_s: Annotated[int, Field(ge=5, le=600)] = 30
    """How long one change of OVN's databases may take, a new connection included."""
    agent_down_s: Annotated[int, Field(ge=30, le=600)] = 60
    """A host whose agent has said nothing for so long, although it was asked, gets no ports."""
    distributed_floating_ips: bool = False
    """Floating IPs go out at their guest's own host, not through a gateway."""
    dns_servers: tuple[IPv4Address, ...] = ()
    """What guests ask where their subnet names none; the controllers' own servers if not said."""
    external: External | None = None
    """Made where it is not there yet; nothing said: none is made."""


def neutron_options(ctx: Context) -> NeutronOptions:
    """Neutron's own options."""
    return cast(NeutronOptions, ctx.options[NEUTRON])


def external(cluster: Cluster, wanted: External) -> dict[str, str]:
    """What the external network has to be, as the node's half knows it.

    Raises:
        SpecError: there is no such network, or its addresses are not in it.
    """
    where = "services.neutron.options.external"
    able = guestnet.physical_networks(cluster)
    if wanted.network is None and len(able) != 1:
        raise SpecError(f"{len(able)} networks are for guests", ("network: say which",), where=where)
    name = wanted.network or able[0]
    if name not in able:
        raise SpecError(f"{name} is no network with use: guests", (), where=where)
    cidr = cluster.networks[name].cidr
    gateway, first, last = (wanted.gateway or cidr[1], wanted.first or _half(cidr), wanted.last or cidr[-2])
    for key, address in {"gateway": gateway, "first": first, "last": last}.items():
        if address not in cidr:
            raise SpecError(f"{key}: {address} is not in {cidr}", (), where=where)
    if not first <= last or first <= gateway <= last:
        said = f"{first} to {last}: last comes after first, and the gateway is outside"
        raise SpecError(said, (), where=where)
    return {
        "name": wanted.name,
        "physical": name,
        "cidr": str(cidr),
        "gateway": str(gateway),
        "first": str(first),
        "last": str(last),
    }


def _half(cidr: IPv4Network) -> IPv4Address:
    return cidr[cidr.num_addresses // 2]
