"""Neutron: networks of tenants. Its API on every controller at once, and metadata for guests on the computes.

What it decides is carried out by OVN (`quorate.services.ovn`). No message broker is between the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import daemon_clone, http_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.command import command
from quorate.resources.file import directory, file
from quorate.resources.schema import schema
from quorate.services import guestnet
from quorate.services.base import (
    Account,
    CatalogueEntry,
    Context,
    Frontend,
    HealthProbe,
    Offers,
    Service,
    VerifyStep,
)
from quorate.services.clients import network as client
from quorate.services.day import networks
from quorate.services.day.contract import Step
from quorate.services.networking import health
from quorate.services.networking.settings import (
    CONFIG,
    DATABASE,
    FOLDER,
    LOCK,
    METADATA_CONFIG,
    METADATA_PORT,
    METADATA_SECRET,
    NEUTRON,
    NOVA,
    PLUGINS,
    PORT,
    SOCKET,
    STATE,
    SWITCH,
    NeutronOptions,
    external,
    neutron_options,
)
from quorate.services.openstack.health import access, answers, probe
from quorate.services.openstack.settings import CA, common
from quorate.services.openstack.units import (
    API_CHECK,
    CONNECTED,
    PROGRAMS,
    Api,
    api,
    daemon,
    managed,
)
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import Cluster, Mode

API_UNIT = "neutron-api.service"
MAINTENANCE_UNIT = "neutron-ovn-maintenance-worker.service"
PERIODIC_UNIT = "neutron-periodic-workers.service"
METADATA_UNIT = "neutron-ovn-metadata-agent.service"
BOUNDED, METADATA_ANSWERS = f"{PROGRAMS}/neutron-bounded.py", f"{PROGRAMS}/neutron-metadata-answers.py"
SERVER = "neutron.cmd.eventlet.server"
HEADS = "/usr/lib/python3/dist-packages/neutron/db/migration/alembic_migrations/versions/*_HEAD"
QUESTION, KEY = "/v2.0/networks?limit=1&fields=id", "networks"
"""Cheap, and told by the database only."""
DATABASE_PORT = 3306
WAIT_S = 180.0


class Neutron(Service):
    """The network API with ML2 and OVN, its workers, and the metadata agents."""

    name = NEUTRON
    summary = "Neutron: networks of tenants by OVN, on every controller"
    memory_mib = 700
    compute_memory_mib = 80
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("galera", "keystone", "memcached", "ovn")
    packages = (
        "neutron-api",
        "neutron-ovn-maintenance-worker",
        "neutron-periodic-workers",
        "python3-memcache",
        "python3-pymysql",
        "uwsgi-plugin-python3",
    )
    compute_packages = ("haproxy", "neutron-ovn-metadata-agent")
    units = (API_UNIT, MAINTENANCE_UNIT, PERIODIC_UNIT, METADATA_UNIT)
    Options = NeutronOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The front end, the schema, the account, the entry in the catalogue.

        Raises:
            SpecError: the external network does not fit the networks of the spec.
        """
        if options.external is not None:
            external(cluster, options.external)
        frontend = Frontend(
            NEUTRON,
            port=PORT,
            backend_port=PORT,
            check=API_CHECK,
            timeout_server_s=options.request_limit_s,
            # A worker serves one request at a time, and one of them stays free for checks.
            server_limit=max(1, options.processes - 1),
        )
        return Offers(
            frontends=(frontend,),
            databases=(DATABASE,),
            accounts=(Account(NEUTRON),),
            catalogue=(CatalogueEntry(NEUTRON, "neutron", "network", PORT),),
        )

    def fragment(self, ctx: Context) -> Fragment:
        """The clones: three on the controllers, and the metadata agents where Nova is there to ask."""
        url = f"http://127.0.0.1:{PORT}/"
        databases = [str(port) for port in (guestnet.NB_PORT, guestnet.SB_PORT)]
        clones = [
            http_clone("neutron-api", API_UNIT, url, deadline_s=5, monitor_s=30, monitor_timeout_s=60),
            daemon_clone("neutron-maintenance", MAINTENANCE_UNIT, (CONNECTED, MAINTENANCE_UNIT, *databases)),
            daemon_clone("neutron-periodic", PERIODIC_UNIT, (CONNECTED, PERIODIC_UNIT, str(DATABASE_PORT))),
        ]
        if nodes := _metadata_nodes(ctx):
            agents = daemon_clone("neutron-metadata", METADATA_UNIT, _asking_metadata())
            clones.append(replace(agents, nodes=nodes))
        return Fragment(resources=tuple(clones))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files on all nodes; the schema once; proof that each API answers; the external network."""
        for node in ctx.controllers:
            for resource in _configured(ctx, node):
                yield Placed(Stage.CONFIG, node, resource)
            ready = answers(ctx, NEUTRON, node, QUESTION, port=PORT, key=KEY, wait_s=WAIT_S)
            yield Placed(Stage.READY, node, ready)
        for node in _metadata_nodes(ctx):
            for resource in _metadata(ctx, node):
                yield Placed(Stage.CONFIG, node, resource)
            answering = command(
                "neutron: metadata for guests is answered",
                check=_asking_metadata(),
                check_timeout_s=6.0,
                settle_s=WAIT_S,
            )
            yield Placed(Stage.READY, node, answering)
        sync = ("neutron-db-manage", "--config-file", CONFIG, "upgrade", "heads")
        tables = schema(DATABASE.name, heads=HEADS, sync=sync, user=NEUTRON, timeout_s=600)
        yield Placed(Stage.BOOTSTRAP, ctx.maker(DATABASE.user), tables)
        options = neutron_options(ctx)
        if options.external is not None:
            args = _api_on(ctx, ctx.leader, 20.0) | {
                "external": external(ctx.cluster, options.external),
                "wait_s": WAIT_S,
            }
            made = Resource(
                "neutron_external",
                "external network",
                args,
                {"wrong": []},
                secret=True,
                timeout_s=WAIT_S + 60,
            )
            yield Placed(Stage.READY, ctx.leader, made)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A question to the database; the agents, the maintenance lock, who hears of OVN's events."""
        options = neutron_options(ctx)
        agents = partial(health.judge_agents, chassis=ctx.cluster.chassis, metadata=_metadata_nodes(ctx))
        workers = partial(health.judge_ring, processes=options.processes)
        control = {"control": "/run/ovn/ovnnb_db.ctl", "database": "OVN_Northbound"}
        for node in ctx.controllers:
            yield probe(ctx, NEUTRON, node, QUESTION, port=PORT, key=KEY, unit=API_UNIT)
            args = _api_on(ctx, node, 2.5) | {
                "patience_s": 1.0,
                "northbound": control | {"socket": "/run/ovn/ovnnb_db.sock"},
                "lock": LOCK,
            }
            yield HealthProbe(NEUTRON, node, "neutron", args, agents)
            query = {"database": DATABASE.name, "query": health.ring(node)}
            yield HealthProbe(NEUTRON, node, "sql", query, workers)
        for node in _metadata_nodes(ctx):
            args = {"check": list(_asking_metadata()), "check_timeout_s": 6.0}
            yield HealthProbe(NEUTRON, node, "command", args, health.judge_metadata)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """What a tenant needs before a server: a network, a way out, a group; all of it gone afterwards."""
        options = neutron_options(ctx)
        outside = options.external.name if options.external else ""
        run = partial(client.make_and_delete, external=outside)
        yield VerifyStep(NEUTRON, "make and delete a network, a router and a port", run, timeout_s=90)

    def day(self, ctx: Context) -> Iterable[Step]:
        """The tenant's network, and the server's floating IP."""
        options = neutron_options(ctx)
        return networks.steps(NEUTRON, external=options.external.name if options.external else "")


def _metadata_nodes(ctx: Context) -> tuple[str, ...]:
    """Where guests ask for metadata: the computes, if Nova is there to know it."""
    return ctx.cluster.computes if NOVA in ctx.vips else ()


def _asking_metadata() -> tuple[str, ...]:
    return ("/usr/bin/python3", "-I", "-S", METADATA_ANSWERS, SOCKET)


def _api_on(ctx: Context, node: str, timeout_s: float) -> dict[str, Any]:
    return {
        "url": f"http://{ctx.cluster.address(node)}:{PORT}",
        "access": access(ctx),
        "timeout_s": timeout_s,
    }


def _api(options: NeutronOptions) -> Api:
    return Api(
        unit=API_UNIT,
        description="OpenStack Networking API",
        account=NEUTRON,
        application=BOUNDED,
        port=PORT,
        processes=options.processes,
        # As Debian and upstream have it: a process of Neutron was never meant for more than one at a time.
        threads=1,
        request_limit_s=options.request_limit_s,
        # start-time: by it the workers of one start know each other (Neutron's common/wsgi_utils.py).
        extra=(f"env = OS_NEUTRON_CONFIG_FILES={CONFIG}", "start-time = %t"),
    )


def _bounded() -> Resource:
    return file(BOUNDED, (TEMPLATES / "neutron/bounded.py").read_text())


def _configured(ctx: Context, node: str) -> Iterable[Resource]:
    options, os = neutron_options(ctx), common(ctx)
    text = render(
        "neutron/neutron.conf.j2",
        os=os,
        account=NEUTRON,
        node=node,
        state=STATE,
        options=options,
        plugins=PLUGINS,
        nova=NOVA in ctx.vips,
        placement="placement" in ctx.vips,
        metadata=bool(_metadata_nodes(ctx)),
        physical=guestnet.physical_networks(ctx.cluster),
        northbound=guestnet.northbound(ctx.cluster),
        southbound=guestnet.southbound(ctx.cluster),
        database=os.database(DATABASE.name, DATABASE.user, timeout_s=options.database_timeout_s),
    )
    config, bounded = file(CONFIG, text, mode=0o640, group=NEUTRON, secret=True), _bounded()
    yield directory(f"{STATE}/lock", owner=NEUTRON, group=NEUTRON)
    yield from api(ctx, node, _api(options), files=(config, bounded))
    workers = (
        (MAINTENANCE_UNIT, "Neutron: mends what OVN lacks", "main_ovn_maintenance_eventlet"),
        (PERIODIC_UNIT, "Neutron: tasks that come round", "main_periodic_eventlet"),
    )
    for unit, description, entry in workers:
        yield from daemon(
            unit,
            description=description,
            account=NEUTRON,
            command=("/usr/bin/python3", BOUNDED, f"{SERVER}:{entry}", "--config-file", CONFIG),
            files=(config, bounded),
        )


def _metadata(ctx: Context, node: str) -> Iterable[Resource]:
    """The agent on a compute: a proxy in each network's namespace, and the way from there to Nova."""
    options = neutron_options(ctx)
    text = render(
        "neutron/metadata.ini.j2",
        node=node,
        state=STATE,
        options=options,
        socket=SOCKET,
        nova_address=ctx.vips[NOVA],
        nova_port=METADATA_PORT,
        ca=CA,
        secret=ctx.secrets.password(METADATA_SECRET),
        switch=SWITCH,
        northbound=guestnet.northbound(ctx.cluster),
        southbound=guestnet.southbound(ctx.cluster),
    )
    config, bounded = file(METADATA_CONFIG, text, mode=0o640, group=NEUTRON, secret=True), _bounded()
    entry = "neutron.cmd.agents.ovn_metadata:main"
    words = ("/usr/bin/python3", BOUNDED, entry, "--config-file", METADATA_CONFIG)
    yield directory(FOLDER, mode=0o750, group=NEUTRON)
    yield directory(f"{STATE}/lock", owner=NEUTRON, group=NEUTRON)
    yield file(METADATA_ANSWERS, (TEMPLATES / "neutron/metadata-answers.py").read_text())
    unit = render("neutron/metadata.service.j2", state=STATE, command=words)
    yield from managed(METADATA_UNIT, unit, files=(config, bounded))
