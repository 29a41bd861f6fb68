"""Volumes: Cinder's API, scheduler and backup service, on every controller at once.

What makes volumes in the storage is `quorate.services.cinder_volume`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import daemon_clone, http_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.schema import schema
from quorate.services.base import (
    Account,
    CatalogueEntry,
    Context,
    Frontend,
    HealthProbe,
    Offers,
    Service,
)
from quorate.services.openstack.health import answers, probe
from quorate.services.openstack.units import API_CHECK, Api, api, daemon
from quorate.services.volumes import health
from quorate.services.volumes.settings import (
    BACKUPS,
    CINDER,
    CONFIG,
    DATABASE,
    PORT,
    TYPE,
    WORKER,
    CinderOptions,
    alive,
    asking,
    cinder_options,
    configured,
)
from quorate.spec.model import Cluster, Mode

UNIT, SCHEDULER_UNIT, BACKUP_UNIT = "cinder-api.service", "cinder-scheduler.service", "cinder-backup.service"
SCHEDULER, BACKUP = "cinder-scheduler", "cinder-backup"
SCRIPTS = "/usr/lib/python3/dist-packages/cinder/db/migrations/versions/*.py"
QUESTION, KEY = "/v3/volumes?limit=1", "volumes"
"""Cheap, and told by the database only."""


class Cinder(Service):
    """The control half of Cinder."""

    name = CINDER
    summary = "Volumes: Cinder's API, scheduler and backups, on every controller"
    memory_mib = 400
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("galera", "rabbitmq", "keystone", "memcached", "glance", WORKER)
    packages = (
        "cinder-api",
        "cinder-backup",
        "cinder-scheduler",
        "python3-memcache",
        "python3-pymysql",
        "uwsgi-plugin-python3",
    )
    units = (UNIT, SCHEDULER_UNIT, BACKUP_UNIT)
    Options = CinderOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The front end, schema, accounts, entry in the catalogue, pool of backups, and the API's clone."""
        url = f"http://127.0.0.1:{PORT}/"
        clone = http_clone("cinder-api", UNIT, url, deadline_s=5, monitor_s=30, monitor_timeout_s=60)
        frontend = Frontend(
            CINDER,
            port=PORT,
            backend_port=PORT,
            check=API_CHECK,
            timeout_server_s=options.request_limit_s,
            server_limit=_api(options).server_limit,
        )
        return Offers(
            frontends=(frontend,),
            databases=(DATABASE,),
            message_users=(CINDER,),
            accounts=(Account(CINDER),),
            catalogue=(CatalogueEntry(CINDER, "cinderv3", TYPE, PORT, "/v3/%(project_id)s"),),
            pools=(BACKUPS,) if options.backup == "ceph" else (),
            fragment=Fragment(resources=(clone,)),
        )

    def fragment(self, ctx: Context) -> Fragment:
        """The workers' clones; their check asks Cinder whether it hears of them."""
        return Fragment(
            resources=tuple(
                daemon_clone(
                    binary,
                    f"{binary}.service",
                    alive(ctx, binary),
                )
                for binary in _workers(cinder_options(ctx))
            )
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files on all controllers; the schema once; proof that each API answers."""
        for node in ctx.controllers:
            for resource in _on_node(ctx, node):
                yield Placed(Stage.CONFIG, node, resource)
            yield Placed(Stage.READY, node, answers(ctx, CINDER, node, QUESTION, port=PORT, key=KEY))
        tables = schema(DATABASE.name, scripts=SCRIPTS, sync=("cinder-manage", "db", "sync"), user=CINDER)
        yield Placed(Stage.BOOTSTRAP, ctx.maker(DATABASE.user), tables)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """The API's database, the workers' signs of life and queues; and what is stuck on its way."""
        workers = _workers(cinder_options(ctx))
        for node in ctx.controllers:
            yield probe(ctx, CINDER, node, QUESTION, port=PORT, key=KEY, unit=UNIT)
            units = [f"{binary}.service" for binary in workers]
            args = asking(ctx, node) | {"units": units, "pools": False}
            judge = partial(health.judge_control, hosts=dict.fromkeys(workers, node))
            yield HealthProbe(CINDER, node, "cinder", args, judge)
        query = {"database": DATABASE.name, "query": health.stuck()}
        yield HealthProbe(CINDER, ctx.leader, "sql", query, health.judge_stuck)


def _workers(options: CinderOptions) -> tuple[str, ...]:
    return (SCHEDULER,) if options.backup == "none" else (SCHEDULER, BACKUP)


def _api(options: CinderOptions) -> Api:
    return Api(
        unit=UNIT,
        description="OpenStack Block Storage API (Cinder)",
        account=CINDER,
        application="/usr/bin/cinder-wsgi",
        port=PORT,
        processes=options.processes,
        threads=options.threads,
        request_limit_s=options.request_limit_s,
    )


def _on_node(ctx: Context, node: str) -> Iterable[Resource]:
    options = cinder_options(ctx)
    files = configured(ctx, node)
    yield from api(ctx, node, _api(options), files=files)
    yield from daemon(
        SCHEDULER_UNIT,
        description="OpenStack Block Storage scheduler",
        account=CINDER,
        command=("/usr/bin/cinder-scheduler", "--config-file", CONFIG),
        files=files,
    )
    if options.backup != "none":
        yield from daemon(
            BACKUP_UNIT,
            description="OpenStack Block Storage backups",
            account=CINDER,
            command=("/usr/bin/cinder-backup", "--config-file", CONFIG),
            files=files,
            hardened=False,
        )
