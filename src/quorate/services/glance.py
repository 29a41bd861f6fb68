"""Images: Glance on every controller at once, the data in Ceph. An upload is whole or not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, cast

from pydantic import Field

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import http_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.schema import schema
from quorate.resources.unit import unit
from quorate.services.base import (
    Account,
    CatalogueEntry,
    Context,
    Database,
    Frontend,
    HealthProbe,
    Offers,
    Options,
    Pool,
    Service,
    VerifyStep,
)
from quorate.services.clients import images
from quorate.services.day import images as day_images
from quorate.services.day.contract import Step
from quorate.services.openstack.health import answers, probe
from quorate.services.openstack.settings import common, endpoint
from quorate.services.openstack.units import API_CHECK, PROGRAMS, Api, api
from quorate.services.rendering import TEMPLATES, render
from quorate.services.storage import reach
from quorate.spec.model import Cluster, Mode

PORT = 9292
UNIT = "glance-api.service"
CONFIG = "/etc/glance/glance-api.conf"
PASTE = "/etc/glance/quorate-paste.ini"
HOME = "/var/lib/glance"
DATABASE = Database("glance", "glance")
POOL = Pool("images", client="glance", owner="glance")
STORE = "rbd"
"""Name of the one store, and of its section in the configuration."""
SCRIPTS = "/usr/lib/python3/dist-packages/glance/db/sqlalchemy/alembic_migrations/versions/*.py"
QUESTION, KEY = "/v2/images?limit=1", "images"
"""Cheap, and told by the database only."""
UPLOADS = "quorate-glance-uploads"
"""Unit and timer that undo uploads which died with their node."""
DASHBOARD = "horizon"
PROGRAM = f"{PROGRAMS}/glance-uploads.py"
EVERY_S = 60


class GlanceOptions(Options):
    """What can differ from one image service to the next."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Worker processes on each controller, about 150 MB each."""
    threads: Annotated[int, Field(ge=4, le=256)] = 16
    """Threads of each process; a transfer holds one for as long as it takes."""
    silence_s: Annotated[int, Field(ge=5, le=600)] = 60
    """An upload that sends nothing for so long is given up."""
    image_size_cap: Annotated[int, Field(ge=1 << 20, le=1 << 50)] = 1 << 40
    """Bytes that one image may have."""
    storage_timeout_s: Annotated[int, Field(ge=10, le=600)] = 60
    """How long one operation of the storage cluster may take: longer than it needs to lose a node."""
    database_timeout_s: Annotated[int, Field(ge=2, le=600)] = 20
    """How long one answer of the database may take before the connection is given up."""


class Glance(Service):
    """The image API: uWSGI under a unit of our own, which Pacemaker runs as a clone."""

    name = "glance"
    summary = "Images: Glance on every controller, the data in Ceph"
    memory_mib = 160
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("galera", "keystone", "memcached", "ceph")
    packages = (
        "glance-api",
        "uwsgi-plugin-python3",
        "python3-pymysql",
        "python3-memcache",
        "python3-rados",
        "python3-rbd",
        "ceph-common",
    )
    units = (UNIT,)
    Options = GlanceOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The front end, schema, account, entry in the catalogue, pool, and the clone."""
        url = f"http://127.0.0.1:{PORT}/"
        clone = http_clone(self.name, UNIT, url, deadline_s=5, monitor_s=30, monitor_timeout_s=60)
        frontend = Frontend(
            self.name,
            port=PORT,
            backend_port=PORT,
            check=API_CHECK,
            # The last byte of an upload is answered when the storage has all of it.
            timeout_server_s=300,
            server_limit=_api(options).server_limit,
        )
        return Offers(
            frontends=(frontend,),
            databases=(DATABASE,),
            accounts=(Account(self.name),),
            catalogue=(CatalogueEntry(self.name, "glance", "image", PORT),),
            pools=(POOL,),
            fragment=Fragment(resources=(clone,)),
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files on all nodes; the schema once; proof that each answers."""
        for node in ctx.controllers:
            for resource in (*self._configured(ctx, node), *self._uploads()):
                yield Placed(Stage.CONFIG, node, resource)
            yield Placed(Stage.READY, node, answers(ctx, self.name, node, QUESTION, port=PORT, key=KEY))
            timer = unit(
                f"{UPLOADS}.timer",
                enabled=True,
                active=True,
                read=True,
                restart_on=(f"/etc/systemd/system/{UPLOADS}.timer",),
            )
            yield Placed(Stage.READY, node, timer)
        tables = schema(DATABASE.name, scripts=SCRIPTS, sync=("glance-manage", "db_sync"), user="glance")
        yield Placed(Stage.BOOTSTRAP, ctx.maker(DATABASE.user), tables)

    def _configured(self, ctx: Context, node: str) -> Iterable[Resource]:
        options = cast(GlanceOptions, ctx.options[self.name])
        os = common(ctx)
        text = render(
            "glance/glance-api.conf.j2",
            os=os,
            account=self.name,
            database=os.database(DATABASE.name, DATABASE.user, timeout_s=options.database_timeout_s),
            store=STORE,
            pool=POOL,
            home=HOME,
            address=ctx.cluster.address(node),
            port=PORT,
            endpoint=endpoint(ctx, self.name),
            image_size_cap=options.image_size_cap,
            storage_timeout_s=options.storage_timeout_s,
            dashboards=_dashboards(ctx),
            paste=PASTE,
        )
        for folder in ("staging", "tasks"):
            yield directory(f"{HOME}/{folder}", mode=0o750, owner="glance", group="glance")
        config = file(CONFIG, text, mode=0o640, group="glance", secret=True)
        paste = file(PASTE, (TEMPLATES / "glance/paste.ini").read_text())
        yield from api(ctx, node, _api(options), files=(paste, config))

    def _uploads(self) -> Iterable[Resource]:
        program = file(PROGRAM, (TEMPLATES / "glance/uploads.py").read_text())
        text = render("glance/uploads.service.j2", program=PROGRAM, pool=POOL)
        timer = render("glance/uploads.timer.j2", every_s=EVERY_S)
        yield program
        yield file(f"/etc/systemd/system/{UPLOADS}.service", text, after=(program.id,))
        yield file(f"/etc/systemd/system/{UPLOADS}.timer", timer)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A question that only the database answers, and a look into the store, on every node."""
        for node in ctx.controllers:
            yield probe(ctx, self.name, node, QUESTION, port=PORT, key=KEY, unit=UNIT)
            yield reach.probe(self.name, node, POOL, use="images can be neither stored nor read")

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """An image, uploaded and downloaded through the virtual IP."""
        title = "upload, download and compare an image"
        yield VerifyStep(self.name, title, images.upload_and_download, timeout_s=60)

    def day(self, ctx: Context) -> Iterable[Step]:
        """The image that the tenant's server is made from."""
        return day_images.steps(self.name)


def _dashboards(ctx: Context) -> list[str]:
    """Origins of the dashboard's pages, from which browsers send images here; none where there is none."""
    if DASHBOARD not in ctx.vips:
        return []
    more = getattr(ctx.options[DASHBOARD], "hosts", ())
    return [f"https://{host}" for host in (ctx.vips[DASHBOARD], ctx.vip_name(DASHBOARD), *more)]


def _api(options: GlanceOptions) -> Api:
    return Api(
        unit=UNIT,
        description="OpenStack Image API (Glance)",
        account="glance",
        application="/usr/bin/glance-wsgi-api",
        port=PORT,
        processes=options.processes,
        threads=options.threads,
        # A transfer takes what it takes; a client that fell silent is left to silence_s.
        request_limit_s=0,
        silence_s=options.silence_s,
    )
