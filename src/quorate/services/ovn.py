"""Networks of guests: OVN's databases on the controllers, Open vSwitch and ovn-controller on the chassis.

It brings its own availability: the databases are raft clusters, northd is active where it has the lock, and
the gateways watch each other with BFD. systemd runs all of it, Pacemaker none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from quorate.errors import SpecError
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.command import command
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.services import guestnet
from quorate.services.base import Context, HealthProbe, Offers, Options, Service
from quorate.services.guestnet import health
from quorate.services.guestnet.gateways import acquainted
from quorate.services.rendering import render
from quorate.spec.model import Cluster, Mode, Use

DEFAULTS, SWITCH_DEFAULTS = "/etc/default/ovn-central", "/etc/default/openvswitch-switch"
FOLDER = "/etc/ovn"
NETWORKD = "/etc/systemd/network"
CENTRAL_UNITS = ("ovn-ovsdb-server-nb.service", "ovn-ovsdb-server-sb.service", "ovn-northd.service")
SWITCH = "ovs-vswitchd.service"
SWITCH_UNITS = ("ovsdb-server.service", SWITCH, "ovn-controller.service")
DATABASES = {"NB": guestnet.NB_RAFT_PORT, "SB": guestnet.SB_RAFT_PORT}
FEWEST_GATEWAYS = 3
"""OVN's rule (its source, ha_chassis_group_is_active): without any tunnel that is up, none is active."""
JOIN_WAIT_S = 60.0
PROBE_TIMEOUT_S = 3.0


class OvnOptions(Options):
    """Times in milliseconds."""

    election_timer_ms: Annotated[int, Field(ge=500, le=60_000)] = 2000
    """A database whose leader is silent for so long elects another: changes wait a second more."""
    probe_ms: Annotated[int, Field(ge=1000, le=600_000)] = 2000
    """northd and ovn-controller leave a database that is silent for twice as long, for another one."""
    client_probe_ms: Annotated[int, Field(ge=5000, le=600_000)] = 30_000
    """A client that is silent for twice as long is given up by the databases; busy ones can be slow."""
    northd_silent_ms: Annotated[int, Field(ge=1000, le=600_000)] = 2000
    """A northd that is silent for twice as long loses its lock to another; no round of it may take longer."""
    bfd_rx_ms: Annotated[int, Field(ge=50, le=60_000)] = 300
    bfd_tx_ms: Annotated[int, Field(ge=50, le=60_000)] = 200
    bfd_multiplier: Annotated[int, Field(ge=2, le=50)] = 6
    """A gateway that missed so many signs of life has failed: 1.8 s. Sooner, and one on a busy node, as it is
    when it has just come back, loses and takes its routers over and over, which costs guests more."""
    gateways: Literal["all", "controllers", "computes"] = "all"
    """Which of the chassis carry guests' traffic in and out; at least three."""


class Ovn(Service):
    """OVN with everything that guests' networks need below Neutron."""

    name = "ovn"
    summary = "Networks of guests: OVN, its databases on every controller, gateways spread"
    memory_mib = 60
    modes = (Mode.SELF,)
    networks = (Use.TUNNELS,)
    units = (*CENTRAL_UNITS, *SWITCH_UNITS)
    Options = OvnOptions

    @classmethod
    def packages_on(cls, cluster: Cluster, node: str) -> Iterable[str]:
        """The databases on controllers, the switch on the nodes with an end of the tunnels."""
        central = ("ovn-central",) if node in cluster.controllers else ()
        return (*central, *(("ovn-host", "openvswitch-switch") if node in cluster.chassis else ()))

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """Nothing; but it refuses gateways that could not take over from each other.

        Raises:
            SpecError: there are one or two.
        """
        count = len(gateways(cluster, options))
        if guestnet.physical_networks(cluster) and count < FEWEST_GATEWAYS:
            raise SpecError(
                f"{count} gateways cannot take over from each other",
                ("one that has lost its only peer takes itself for cut off, and stays passive",),
                where="services.ovn.options.gateways",
                next_step="give three nodes or more an address on the network for tunnels",
            )
        return Offers()

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """The centre on the controllers, then the chassis."""
        options = cast(OvnOptions, ctx.options[self.name])
        for node in ctx.controllers:
            yield from _central(ctx, node, options)
        out = gateways(ctx.cluster, options) if guestnet.physical_networks(ctx.cluster) else ()
        for resource in (*_contents(ctx, options), *acquainted(out, guestnet.northbound(ctx.cluster))):
            yield Placed(Stage.BOOTSTRAP, ctx.leader, resource)
        for node in ctx.cluster.chassis:
            yield from _chassis(ctx, node, options)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Whether a change goes from a client to every chassis, and each part that it goes through."""
        nodes = {f"tcp:{_raft(ctx, node, name)}": node for node in ctx.controllers for name in DATABASES}
        args: dict[str, Any] = {
            "databases": {name: _member(name) for name in DATABASES},
            "northbound": guestnet.northbound(ctx.cluster),
            "timeout_s": PROBE_TIMEOUT_S,
        }
        for node in ctx.controllers:
            yield HealthProbe(
                self.name, node, "ovn_central", args, partial(health.judge_central, nodes=nodes)
            )
        ends = {guestnet.tunnel_address(ctx.cluster, node): node for node in ctx.cluster.chassis}
        for node in ctx.cluster.chassis:
            judge = partial(health.judge_chassis, nodes=ends)
            yield HealthProbe(self.name, node, "ovn_chassis", _standing(ctx, node), judge)


def gateways(cluster: Cluster, options: OvnOptions) -> tuple[str, ...]:
    """The chassis that guests' traffic goes in and out through."""
    able = {"all": tuple(cluster.nodes), "controllers": cluster.controllers, "computes": cluster.computes}
    return tuple(node for node in cluster.chassis if node in able[options.gateways])


def _member(name: str) -> dict[str, str]:
    return {"control": f"/run/ovn/ovn{name.lower()}_db.ctl", "database": health.database_name(name)}


def _standing(ctx: Context, node: str) -> dict[str, str]:
    return {"name": node, "southbound": guestnet.southbound(ctx.cluster)}


def _raft(ctx: Context, node: str, name: str) -> str:
    return f"{ctx.cluster.address(node)}:{DATABASES[name]}"


def _path(name: str) -> str:
    return f"/var/lib/ovn/ovn{name.lower()}_db.db"


def _restarts(units: Iterable[str]) -> Iterable[Resource]:
    """Drop-ins with which systemd starts them again, however they ended."""
    for name in units:
        own = {f"ovn-{one}.service": one for one in ("northd", "controller")} | {SWITCH: "vswitchd"}
        template = own.get(name, "restart")
        yield directory(f"/etc/systemd/system/{name}.d")
        yield file(_drop_in(name), render(f"ovn/{template}.conf.j2"))


def _drop_in(name: str) -> str:
    return f"/etc/systemd/system/{name}.d/quorate.conf"


def _central(ctx: Context, node: str, options: OvnOptions) -> Iterable[Placed]:
    """The member of both databases on ``node``, and its northd."""
    cluster, peers = ctx.cluster, [peer for peer in ctx.controllers if peer != node]
    configs = {"NB": f"{FOLDER}/quorate-nb.json", "SB": f"{FOLDER}/quorate-sb.json"}
    ports = {"NB": guestnet.NB_PORT, "SB": guestnet.SB_PORT}
    defaults = render(
        "ovn/ovn-central.j2",
        address=cluster.address(node),
        peer=cluster.address(peers[0]) if peers else "",
        nb_config=configs["NB"],
        sb_config=configs["SB"],
        northbound=guestnet.northbound(cluster),
        southbound=guestnet.southbound_of_northd(cluster),
    )
    yield Placed(Stage.CONFIG, node, directory(FOLDER))
    yield Placed(Stage.CONFIG, node, file(DEFAULTS, defaults))
    for name, path in configs.items():
        listening = _listening(name, cluster.address(node), ports[name], options)
        yield Placed(Stage.CONFIG, node, file(path, listening))
        yield Placed(Stage.CONFIG, node, _database(ctx, node, name, options))
    for resource in _restarts(CENTRAL_UNITS):
        yield Placed(Stage.CONFIG, node, resource)
    # A stage later than the files: the first controller only begins a cluster when no other member answers.
    yield Placed(Stage.MEMBERSHIP, node, unit("ovn-central.service", enabled=True, active=True))
    for name in CENTRAL_UNITS:
        started = ("unit:ovn-central.service",)
        # A northd that is restarted costs nothing; a database is restarted where its return is waited for.
        read = (DEFAULTS, _drop_in(name)) if "northd" in name else ()
        yield Placed(Stage.MEMBERSHIP, node, unit(name, active=True, restart_on=read, after=started))
    for name, config in configs.items():
        yield from _membership(node, name, config, options)


def _membership(node: str, name: str, config: str, options: OvnOptions) -> Iterable[Placed]:
    """Proof that ``node`` takes part in a database, and the database's election timer."""
    server = f"ovn-ovsdb-server-{name.lower()}.service"
    joined = Resource(
        "raft",
        f"OVN's {name} database",
        {
            **_member(name),
            "unit": server,
            "restart_on": [DEFAULTS, _drop_in(server), config],
            "wait_s": JOIN_WAIT_S,
        },
        {"status": "cluster member", "leads": True, "stale": False},
        serial=True,
        timeout_s=JOIN_WAIT_S + 30,
    )
    yield Placed(Stage.DATA, node, joined)
    timer = Resource(
        "raft",
        f"OVN's {name} database: election timer",
        {**_member(name), "wait_s": JOIN_WAIT_S},
        {"election_timer_ms": options.election_timer_ms},
        timeout_s=JOIN_WAIT_S + 15,
    )
    yield Placed(Stage.BOOTSTRAP, node, timer)


def _listening(name: str, address: str, port: int, options: OvnOptions) -> str:
    """What the server of a database listens on (ovsdb-server(1), --config-file)."""
    remotes: dict[str, dict[str, int]] = {
        f"punix:/run/ovn/ovn{name.lower()}_db.sock": {},
        f"ptcp:{port}:{address}": {"inactivity-probe": options.client_probe_ms},
    }
    if name == "SB":
        northd = f"ptcp:{guestnet.SB_NORTHD_PORT}:{address}"
        remotes[northd] = {"inactivity-probe": options.northd_silent_ms}
    return json.dumps({"remotes": remotes, "databases": {_path(name): {}}}, indent=1) + "\n"


def _database(ctx: Context, node: str, name: str, options: OvnOptions) -> Resource:
    args = {
        "path": _path(name),
        "database": health.database_name(name),
        "schema": f"/usr/share/ovn/ovn-{name.lower()}.ovsschema",
        "local": _raft(ctx, node, name),
        "peers": [_raft(ctx, peer, name) for peer in ctx.controllers if peer != node],
        "first": node == ctx.leader,
        "election_timer_ms": options.election_timer_ms,
    }
    return Resource("raft_file", _path(name), args, {"made": True})


def _contents(ctx: Context, options: OvnOptions) -> Iterable[Resource]:
    """What is in the databases before anybody uses them: their schema's version, and the timers of BFD."""
    for name in DATABASES:
        socket, schema = f"unix:/run/ovn/ovn{name.lower()}_db.sock", f"ovn-{name.lower()}.ovsschema"
        words = (socket, f"/usr/share/ovn/{schema}")
        yield command(
            f"OVN's {name} database has the schema of its package",
            check=("ovsdb-client", "--timeout=5", "needs-conversion", *words),
            expect="no",
            fix=("ovsdb-client", "--timeout=30", "convert", *words),
        )
    values = {
        "bfd-min-rx": options.bfd_rx_ms,
        "bfd-min-tx": options.bfd_tx_ms,
        "bfd-mult": options.bfd_multiplier,
        "northd_probe_interval": options.probe_ms,
    }
    pairs = tuple(f"options:{key}={value}" for key, value in values.items())
    client = ("ovn-nbctl", f"--db={guestnet.northbound(ctx.cluster)}")
    yield command(
        "OVN's timers",
        check=(*client, "--timeout=5", "--bare", "--columns=_uuid", "find", "NB_Global", *pairs),
        expect="-",
        fix=(*client, "--timeout=20", "init", "--", "set", "NB_Global", ".", *pairs),
    )


def _chassis(ctx: Context, node: str, options: OvnOptions) -> Iterable[Placed]:
    """The switch on ``node``, its bridges, and ovn-controller."""
    cluster = ctx.cluster
    tunnels = cluster.networks_for(Use.TUNNELS)[0]
    prefix = cluster.networks[tunnels].cidr.prefixlen
    addresses = {guestnet.bridge(tunnels): f"{cluster.address(node, tunnels)}/{prefix}"}
    bridges = {
        guestnet.bridge(network): guestnet.interface(cluster, network)
        for network in (tunnels, *guestnet.physical_networks(cluster))
    }
    links = [
        file(f"{NETWORKD}/05-quorate-{nic}.network", render("ovn/nic.network.j2", nic=nic))
        for nic in bridges.values()
    ]
    links += [
        file(
            f"{NETWORKD}/05-quorate-{name}.network",
            render("ovn/bridge.network.j2", bridge=name, address=addresses.get(name, "")),
        )
        for name in bridges
    ]
    links.append(file(f"{NETWORKD}/05-quorate-guests.network", render("ovn/guest.network.j2")))
    paths = tuple(str(link.args["path"]) for link in links)
    networkd = unit("systemd-networkd.service", enabled=True, active=True, restart_on=paths, reload=True)
    defaults = file(SWITCH_DEFAULTS, render("ovn/openvswitch-switch.j2", node=node))
    switch = Resource(
        "ovs",
        "bridges and settings",
        {
            "bridges": bridges,
            "addresses": addresses,
            "external_ids": _external_ids(ctx, node, options),
            "manager": guestnet.MANAGER,
            "manager_probe_ms": options.client_probe_ms,
            "wait_s": 20.0,
        },
        {"differences": []},
        timeout_s=60,
    )
    for resource in (
        *links,
        networkd,
        defaults,
        *_restarts(SWITCH_UNITS),
        unit("ovsdb-server.service", active=True),
        Resource("ovs_offload", "userspace segmentation offload", {}, {"right": True}),
        unit(SWITCH, read=True, after=(f"file:{_drop_in(SWITCH)}",)),
        unit("openvswitch-switch.service", enabled=True, active=True),
        switch,
    ):
        yield Placed(Stage.CONFIG, node, resource)
    # Once the databases have their members and northd could write its first row: sooner it was seen to crash.
    yield Placed(Stage.BOOTSTRAP, node, unit("ovn-host.service", enabled=True, active=True))
    runs = unit("ovn-controller.service", active=True, restart_on=(_drop_in("ovn-controller.service"),))
    yield Placed(Stage.BOOTSTRAP, node, runs)
    ready = Resource(
        "ovn_chassis",
        "chassis",
        {**_standing(ctx, node), "wait_s": JOIN_WAIT_S},
        {"switch": "", "connection": "connected", "registered": True},
        timeout_s=JOIN_WAIT_S + 15,
    )
    yield Placed(Stage.READY, node, ready)


def _external_ids(ctx: Context, node: str, options: OvnOptions) -> dict[str, str]:
    """What ovn-controller is told (ovn-controller(8))."""
    return {
        "system-id": node,
        "hostname": node,
        "ovn-remote": guestnet.southbound(ctx.cluster),
        "ovn-remote-probe-interval": str(options.probe_ms),
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": guestnet.tunnel_address(ctx.cluster, node),
        "ovn-bridge": guestnet.INTEGRATION_BRIDGE,
        "ovn-bridge-mappings": guestnet.bridge_mappings(ctx.cluster),
        "ovn-cms-options": "enable-chassis-as-gw" if node in gateways(ctx.cluster, options) else "",
    }
