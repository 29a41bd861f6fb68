"""Nova on the controllers: API, metadata, scheduler, conductor and console proxy, on each of them at once.

What runs on the computes is `quorate.services.nova_compute`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from quorate.pacemaker.model import Clone, Fragment
from quorate.pacemaker.unit import daemon_clone, http_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.services.base import (
    Account,
    CatalogueEntry,
    Context,
    Frontend,
    HealthProbe,
    HttpCheck,
    Offers,
    Service,
    VerifyStep,
)
from quorate.services.clients import compute as client
from quorate.services.compute import cells, health
from quorate.services.compute.settings import (
    API_DATABASE,
    API_PORT,
    CELL0_DATABASE,
    CELL_DATABASE,
    CONSOLE_PORT,
    FOLDER,
    METADATA_PORT,
    METADATA_SECRET,
    NOVA,
    STATE,
    NovaOptions,
    nova_options,
    shared,
)
from quorate.services.day import servers
from quorate.services.day.contract import Step
from quorate.services.openstack.health import access, answers, probe
from quorate.services.openstack.settings import BROKER_PORT, common
from quorate.services.openstack.units import API_CHECK, CHECK_S, CONNECTED, PROGRAMS, Api, api, daemon
from quorate.services.rendering import render
from quorate.spec.model import Cluster, Mode

CONFIG = f"{FOLDER}/nova.conf"
API_UNIT, METADATA_UNIT = "nova-api.service", "nova-api-metadata.service"
SCHEDULER_UNIT, CONDUCTOR_UNIT = "nova-scheduler.service", "nova-conductor.service"
CONSOLE_UNIT = "nova-novncproxy.service"
PAGES, PAGE = "/usr/share/novnc", "/vnc_auto.html"
SELDOM_S = 20.0
"""Between two checks of the console proxy, which forks for each of them. A server that is gone does
not take the connection of a client, and the next one is tried."""
CONSOLE_CHECK = f"{PROGRAMS}/nova-console-answers"
"""The proxy listens on the cluster address only, which Pacemaker's parameters, alike for all, cannot name."""
QUESTION, KEY = "/v2.1/flavors?limit=1", "flavors"
"""Cheap, and told by the database only."""
THREADED = ("env = OS_NOVA_DISABLE_EVENTLET_PATCHING=yes",)
"""Without it, with more threads than one, a lost broker stays lost. Nova's release notes (Stein)
offer this, or one thread. What it costs, cells asked one after the other, is nothing where there is one."""
FLAVOR_WAIT_S = 120.0


class Nova(Service):
    """The control half of Nova."""

    name = NOVA
    summary = "Nova: API, metadata, scheduler, conductor and consoles, on every controller"
    memory_mib = 600
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("galera", "rabbitmq", "keystone", "memcached", "placement", "glance", "neutron")
    packages = (
        "nova-api",
        "nova-conductor",
        "nova-consoleproxy",
        "nova-scheduler",
        "novnc",
        "python3-memcache",
        "python3-pymysql",
        "uwsgi-plugin-python3",
    )
    units = (API_UNIT, METADATA_UNIT, SCHEDULER_UNIT, CONDUCTOR_UNIT, CONSOLE_UNIT)
    Options = NovaOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """Three front ends, three schemas, the accounts, the entry in the catalogue, and five clones."""
        return Offers(
            frontends=tuple(_frontends(options)),
            databases=(API_DATABASE, CELL0_DATABASE, CELL_DATABASE),
            message_users=(NOVA,),
            accounts=(Account(NOVA),),
            catalogue=(CatalogueEntry(NOVA, "nova", "compute", API_PORT, "/v2.1"),),
            fragment=Fragment(resources=tuple(_clones())),
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files on all controllers; schemas, cells and flavors once; proof that each API answers."""
        for node in ctx.controllers:
            for resource in _configured(ctx, node):
                yield Placed(Stage.CONFIG, node, resource)
            yield Placed(Stage.READY, node, answers(ctx, NOVA, node, QUESTION, port=API_PORT, key=KEY))
        limit = nova_options(ctx).database_timeout_s
        for resource in cells.bootstrap(common(ctx), ctx.cluster.computes, timeout_s=limit):
            yield Placed(Stage.BOOTSTRAP, ctx.maker(NOVA), resource)
        yield Placed(Stage.READY, ctx.leader, _flavors(ctx))

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A question that only the database answers; and how long ago each worker gave a sign of life."""
        judge = partial(health.judge_workers, down_s=nova_options(ctx).service_down_s)
        for node in ctx.controllers:
            yield probe(ctx, NOVA, node, QUESTION, port=API_PORT, key=KEY, unit=API_UNIT)
            args = {"database": CELL_DATABASE.name, "query": health.heartbeats(node)}
            yield HealthProbe(NOVA, node, "sql", args, judge)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """What a scheduler needs: flavors, workers that live, computes with room."""
        computes = ctx.cluster.computes if "nova-compute" in ctx.options else ()
        look = partial(client.ready, computes=computes)
        yield VerifyStep(NOVA, "find flavors, live workers and computes with room", look)

    def day(self, ctx: Context) -> Iterable[Step]:
        """The tenant's server, where there are computes for it."""
        computes = ctx.cluster.computes if "nova-compute" in ctx.options else ()
        return servers.steps(NOVA, movable=len(computes) > 1) if computes else ()


def _frontends(options: NovaOptions) -> Iterable[Frontend]:
    yield Frontend(
        NOVA,
        port=API_PORT,
        backend_port=API_PORT,
        check=API_CHECK,
        timeout_server_s=options.request_limit_s,
        server_limit=_api(options).server_limit,
    )
    yield Frontend(
        NOVA,
        port=METADATA_PORT,
        backend_port=METADATA_PORT,
        check=API_CHECK,
        server_limit=_metadata(options).server_limit,
    )
    # A console is one connection, and may be silent for long.
    yield Frontend(
        NOVA,
        port=CONSOLE_PORT,
        backend_port=CONSOLE_PORT,
        check=HttpCheck(PAGE, timeout_s=CHECK_S, every_s=SELDOM_S),
        timeout_server_s=3600.0,
    )


def _clones() -> Iterable[Clone]:
    for name, unit, port in (
        ("nova-api", API_UNIT, API_PORT),
        ("nova-metadata", METADATA_UNIT, METADATA_PORT),
    ):
        url = f"http://127.0.0.1:{port}/"
        yield http_clone(name, unit, url, deadline_s=5, monitor_s=30, monitor_timeout_s=60)
    for name, unit in (("nova-scheduler", SCHEDULER_UNIT), ("nova-conductor", CONDUCTOR_UNIT)):
        yield daemon_clone(name, unit, (CONNECTED, unit, str(BROKER_PORT)))
    yield daemon_clone("nova-consoles", CONSOLE_UNIT, (CONSOLE_CHECK,))


def _api(options: NovaOptions) -> Api:
    return Api(
        unit=API_UNIT,
        description="OpenStack Compute API",
        account=NOVA,
        application="/usr/bin/nova-api-wsgi",
        port=API_PORT,
        processes=options.processes,
        threads=options.threads,
        request_limit_s=options.request_limit_s,
        extra=THREADED,
    )


def _metadata(options: NovaOptions) -> Api:
    return Api(
        unit=METADATA_UNIT,
        description="OpenStack Compute metadata for guests",
        account=NOVA,
        application="/usr/bin/nova-metadata-wsgi",
        port=METADATA_PORT,
        threads=options.threads,
        extra=THREADED,
    )


def _configured(ctx: Context, node: str) -> Iterable[Resource]:
    options, os = nova_options(ctx), common(ctx)
    limit = options.database_timeout_s
    text = render(
        "nova/controller.conf.j2",
        **shared(ctx, node),
        workers=options.workers,
        discover_s=options.discover_s,
        metadata_secret=ctx.secrets.password(METADATA_SECRET),
        api_database=os.database(API_DATABASE.name, API_DATABASE.user, timeout_s=limit),
        cell_database=os.database(CELL_DATABASE.name, CELL_DATABASE.user, timeout_s=limit),
        console_port=CONSOLE_PORT,
    )
    config = file(CONFIG, text, mode=0o640, group=NOVA, secret=True)
    asking = render(
        "nova/console-answers.j2", address=ctx.cluster.address(node), port=CONSOLE_PORT, page=PAGE
    )
    yield file(CONSOLE_CHECK, asking, mode=0o755, validate=("sh", "-n", "{}"))
    yield directory(f"{STATE}/tmp", owner=NOVA, group=NOVA)
    yield from api(ctx, node, _api(options), files=(config,))
    yield from api(ctx, node, _metadata(options), files=(config,))
    workers = (
        (SCHEDULER_UNIT, "OpenStack Compute scheduler", ("/usr/bin/nova-scheduler",)),
        (CONDUCTOR_UNIT, "OpenStack Compute conductor", ("/usr/bin/nova-conductor",)),
        (CONSOLE_UNIT, "OpenStack Compute consoles", ("/usr/bin/nova-novncproxy", "--web", PAGES)),
    )
    for unit, description, words in workers:
        yield from daemon(
            unit,
            description=description,
            account=NOVA,
            command=(*words, "--config-file", CONFIG),
            files=(config,),
        )


def _flavors(ctx: Context) -> Resource:
    wanted = {
        name: {"vcpus": flavor.vcpus, "ram": flavor.memory_mib, "disk": flavor.disk_gib}
        for name, flavor in nova_options(ctx).flavors.items()
    }
    args = {
        "url": f"http://{ctx.cluster.address(ctx.leader)}:{API_PORT}/v2.1",
        "access": access(ctx),
        "flavors": wanted,
        "timeout_s": 10.0,
        "wait_s": FLAVOR_WAIT_S,
    }
    return Resource(
        "nova_flavors", "flavors", args, {"missing": []}, secret=True, timeout_s=FLAVOR_WAIT_S + 60
    )
