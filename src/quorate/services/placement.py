"""Placement: what each compute node has and what of it is taken. On every controller at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast

from pydantic import Field

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import http_clone
from quorate.resources.base import Placed, Stage
from quorate.resources.file import file
from quorate.resources.schema import schema
from quorate.services.base import (
    Account,
    CatalogueEntry,
    Context,
    Database,
    Frontend,
    HealthProbe,
    Offers,
    Options,
    Service,
    VerifyStep,
)
from quorate.services.clients import inventory
from quorate.services.day import remains
from quorate.services.day.contract import Step
from quorate.services.openstack.health import answers, probe
from quorate.services.openstack.settings import common
from quorate.services.openstack.units import API_CHECK, Api, api
from quorate.services.rendering import render
from quorate.spec.model import Cluster, Mode

PORT = 8778
UNIT = "placement-api.service"
CONFIG = "/etc/placement/placement.conf"
DATABASE = Database("placement", "placement")
SCRIPTS = "/usr/lib/python3/dist-packages/placement/db/sqlalchemy/alembic/versions/*.py"
QUESTION, KEY = "/resource_providers?name=quorate-probe", "resource_providers"
"""Cheap, and told by the database only."""


class PlacementOptions(Options):
    """What can differ from one Placement to the next."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Worker processes on each controller, about 100 MB each."""
    threads: Annotated[int, Field(ge=3, le=64)] = 8
    """Threads of each process."""
    request_limit_s: Annotated[int, Field(ge=10, le=600)] = 60
    """A worker that is longer at one request is ended."""
    database_timeout_s: Annotated[int, Field(ge=2, le=600)] = 20
    """How long one answer of the database may take before the connection is given up."""


class Placement(Service):
    """The Placement API: uWSGI under a unit of our own, which Pacemaker runs as a clone."""

    name = "placement"
    summary = "Placement: the inventory of compute nodes, on every controller"
    memory_mib = 110
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("galera", "keystone", "memcached")
    packages = ("placement-api", "uwsgi-plugin-python3", "python3-pymysql", "python3-memcache")
    units = (UNIT,)
    Options = PlacementOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The front end, the schema, the account, the entry in the catalogue, and the clone."""
        url = f"http://127.0.0.1:{PORT}/"
        clone = http_clone(self.name, UNIT, url, deadline_s=5, monitor_s=30, monitor_timeout_s=60)
        frontend = Frontend(
            self.name,
            port=PORT,
            backend_port=PORT,
            check=API_CHECK,
            server_limit=_api(options).server_limit,
        )
        return Offers(
            frontends=(frontend,),
            databases=(DATABASE,),
            accounts=(Account(self.name),),
            catalogue=(CatalogueEntry(self.name, "placement", "placement", PORT),),
            fragment=Fragment(resources=(clone,)),
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files on all nodes; the schema once; proof that each answers."""
        options = cast(PlacementOptions, ctx.options[self.name])
        os = common(ctx)
        text = render(
            "placement/placement.conf.j2",
            os=os,
            account=self.name,
            database=os.database(DATABASE.name, DATABASE.user, timeout_s=options.database_timeout_s),
        )
        for node in ctx.controllers:
            config = file(CONFIG, text, mode=0o640, group="placement", secret=True)
            for resource in api(ctx, node, _api(options), files=(config,)):
                yield Placed(Stage.CONFIG, node, resource)
            yield Placed(Stage.READY, node, answers(ctx, self.name, node, QUESTION, port=PORT, key=KEY))
        tables = schema(
            DATABASE.name, scripts=SCRIPTS, sync=("placement-manage", "db", "sync"), user="placement"
        )
        yield Placed(Stage.BOOTSTRAP, ctx.maker(DATABASE.user), tables)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A question that only the database answers, on every node."""
        for node in ctx.controllers:
            yield probe(ctx, self.name, node, QUESTION, port=PORT, key=KEY, unit=UNIT)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """A provider with an inventory, made, asked for as a scheduler does, and removed."""
        yield VerifyStep(self.name, "keep and find an inventory", inventory.keep_and_find)

    def day(self, ctx: Context) -> Iterable[Step]:
        """That no room is kept for a server that is gone."""
        return remains.allocations(self.name)


def _api(options: PlacementOptions) -> Api:
    return Api(
        unit=UNIT,
        description="OpenStack Placement API",
        account="placement",
        application="/usr/bin/placement-api",
        port=PORT,
        processes=options.processes,
        threads=options.threads,
        request_limit_s=options.request_limit_s,
    )
