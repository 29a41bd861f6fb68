"""The dashboard: Horizon on every controller at once. A session goes on wherever HAProxy sends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import http_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.http import http, http_args
from quorate.resources.unit import unit
from quorate.services.base import (
    READY_S,
    Context,
    Frontend,
    Health,
    HealthProbe,
    HttpCheck,
    Judgement,
    Offers,
    Options,
    Service,
    VerifyStep,
)
from quorate.services.clients import dashboard, panels
from quorate.services.openstack.units import PYTHON, managed, quicker
from quorate.services.rendering import render
from quorate.spec.model import Cluster, Mode

PORT, PUBLIC_PORT = 8080, 443
UNIT = "horizon.service"
FOLDER = "/etc/quorate/horizon"
CONFIG = f"{FOLDER}/apache2.conf"
SETTINGS = "/etc/openstack-dashboard/local_settings.d/_9000_quorate.py"
BOUNDED = "/etc/openstack-dashboard/local_settings.d/_9001_quorate_bounded.py"
SECRET_KEY = "/var/lib/openstack-dashboard/secret-key/.secret_key_store"
ALIVE, ALIVE_FILE = "/alive", "/usr/local/share/quorate/horizon/alive"
DISABLE = "/etc/openstack-dashboard/healthcheck_disable"
LOGIN = "/horizon/auth/login/"
MARK = "csrfmiddlewaretoken"
"""Only in a log-in page that Django made itself."""
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CONNECT_S = 10
"""Longer than a virtual IP needs to move, with the kernel's tries after 1, 3 and 7 s."""
PARSES = ("python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", "{}")
MODULES = (
    *("mpm_event", "authz_core", "alias", "mime", "rewrite", "headers", "filter", "deflate"),
    *("reqtimeout", "setenvif", "wsgi"),
)
ENGINES = {
    "cookies": "django.contrib.sessions.backends.signed_cookies",
    "memcached": "django.contrib.sessions.backends.cache",
}


class HorizonOptions(Options):
    """What can differ from one dashboard to the next."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Worker processes on each controller, about 150 MB each."""
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    """Threads of each process."""
    sessions: Literal["cookies", "memcached"] = "cookies"
    """Signed cookies survive the loss of any node; in memcached, those on the lost node are logged out."""
    session_timeout_s: Annotated[int, Field(ge=300, le=86400)] = 3600
    hosts: tuple[str, ...] = ()
    """Names under which people reach it, besides the virtual IP."""
    uploads: Literal["direct", "legacy", "off"] = "direct"
    """How images get to Glance: from the browser itself; through the dashboard and its disk; not at all."""
    api_timeout_s: Annotated[int, Field(ge=5, le=55)] = 25
    """How long a service may be silent before its panel says so, instead of waiting."""


class Horizon(Service):
    """Apache with mod_wsgi under a unit of our own, which Pacemaker runs as a clone."""

    name = "horizon"
    summary = "The dashboard: Horizon on every controller"
    memory_mib = 220
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("keystone", "memcached")
    packages = ("openstack-dashboard-apache", "apache2", "python3-pymemcache")
    units = (UNIT,)
    Options = HorizonOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The front end and the clone."""
        url = f"http://127.0.0.1:{PORT}{LOGIN}"
        clone = http_clone(self.name, UNIT, url, deadline_s=8, monitor_s=30, monitor_timeout_s=60)
        return Offers(
            frontends=(Frontend(self.name, port=PUBLIC_PORT, backend_port=PORT, check=HttpCheck(ALIVE)),),
            fragment=Fragment(resources=(clone,)),
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files and the key on all nodes; proof that each serves its log-in page."""
        for node in ctx.controllers:
            for resource in self._configured(ctx, node):
                yield Placed(Stage.CONFIG, node, resource)
            url = f"http://{ctx.cluster.address(node)}:{PORT}{LOGIN}"
            proof = http("horizon: shows its log-in page", url, match=MARK, timeout_s=10, wait_s=READY_S)
            yield Placed(Stage.READY, node, proof)

    def _configured(self, ctx: Context, node: str) -> Iterable[Resource]:
        options = cast(HorizonOptions, ctx.options[self.name])
        address = ctx.cluster.address(node)
        public = (ctx.vips[self.name], ctx.vip_name(self.name), *options.hosts)
        settings = render(
            "horizon/settings.py.j2",
            hosts=(*public, address, "127.0.0.1"),
            public_hosts=public,
            session_timeout_s=options.session_timeout_s,
            session_engine=ENGINES[options.sessions],
            secret_key=SECRET_KEY,
            memcached=[f"{ctx.cluster.address(peer)}:11211" for peer in ctx.controllers],
            keystone=f"https://{ctx.vips['keystone']}:5000/v3",
            ca=BUNDLE,
            uploads=options.uploads,
        )
        bounded = render("horizon/bounded.py.j2", connect_s=CONNECT_S, silent_s=options.api_timeout_s)
        apache = render(
            "horizon/apache2.conf.j2",
            addresses=(address, "127.0.0.1"),
            port=PORT,
            name=ctx.vip_name(self.name),
            node=node,
            modules=MODULES,
            processes=options.processes,
            threads=options.threads,
            alive=ALIVE,
            alive_file=ALIVE_FILE,
            disable=DISABLE,
        )
        files = (
            *quicker(),
            file(
                SECRET_KEY,
                ctx.secrets.password("horizon-secret-key"),
                mode=0o600,
                owner="www-data",
                group="www-data",
                secret=True,
            ),
            file(SETTINGS, settings, validate=PARSES),
            file(BOUNDED, bounded, validate=PARSES),
            file(CONFIG, apache, validate=("apache2", "-t", "-f", "{}")),
        )
        yield directory(FOLDER)
        yield directory(ALIVE_FILE.rpartition("/")[0])
        yield file(ALIVE_FILE, "alive\n")
        yield unit("apache2.service", enabled=False, active=False)
        text = render("horizon/horizon.service.j2", configuration=CONFIG, python=PYTHON)
        yield from managed(UNIT, text, files=files)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """The log-in page of every node, made by Django."""
        for node in ctx.controllers:
            url = f"http://{ctx.cluster.address(node)}:{PORT}{LOGIN}"
            yield HealthProbe(self.name, node, "http", http_args(url, match=MARK, timeout_s=5), judge)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """Log in through the virtual IP; go on with the same session on every controller."""
        nodes = {node: ctx.cluster.address(node) for node in ctx.controllers}
        yield VerifyStep(self.name, "log in", dashboard.log_in)

        async def everywhere(outside: Any) -> str:
            return await dashboard.same_session_everywhere(outside, nodes, PORT)

        yield VerifyStep(self.name, "one session on every controller", everywhere, timeout_s=60)
        if shown := sorted({panel.service for panel in panels.PANELS} & set(ctx.options)):
            show = partial(panels.show, services=shown)
            yield VerifyStep(self.name, "panels show what is there", show, timeout_s=180)


def judge(state: Mapping[str, Any]) -> Judgement:
    """OK when the log-in page came."""
    if state.get("status") == 200 and state.get("match"):
        return Judgement(Health.OK, f"log-in page in {float(state.get('seconds', 0)):.2f} s")
    reason = state.get("error") or f"answered {state.get('status')}"
    return Judgement(
        Health.FAILED, f"no log-in page: {reason}", "see /var/log/apache2/horizon-error.log on the node"
    )
