"""The load balancer: HAProxy on every controller, TLS on the virtual IPs, servers checked at layer 7."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from quorate.pacemaker.model import Clone, Fragment, Operation, Primitive
from quorate.pacemaker.unit import AGENT
from quorate.resources.base import Placed, Stage
from quorate.resources.file import directory, file
from quorate.resources.http import http
from quorate.resources.unit import unit
from quorate.services.base import (
    Context,
    Frontend,
    Health,
    HealthProbe,
    Judgement,
    Offers,
    Options,
    Service,
)
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import Cluster, Mode

UNIT = "haproxy.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
WATCHER = "quorate-haproxy-watch.service"
WATCH = "/usr/local/lib/quorate/haproxy-watch"
BASH = ("bash", "-n", "{}")
FOLDER = "/etc/haproxy"
CONFIG = f"{FOLDER}/haproxy.cfg"
TLS = f"{FOLDER}/tls"
SOCKET = "/run/haproxy/admin.sock"
HEALTH_PORT = 8404
HEALTH_URL = f"http://127.0.0.1:{HEALTH_PORT}/health"


class HaproxyOptions(Options):
    """Timers in milliseconds. A hung server is out after check + fast check + two check timeouts."""

    check_ms: Annotated[int, Field(ge=100, le=60_000)] = 700
    fast_check_ms: Annotated[int, Field(ge=50, le=60_000)] = 250
    down_check_ms: Annotated[int, Field(ge=50, le=60_000)] = 500
    check_timeout_ms: Annotated[int, Field(ge=50, le=60_000)] = 400
    connect_timeout_ms: Annotated[int, Field(ge=50, le=60_000)] = 250
    slow_start_ms: Annotated[int, Field(ge=0, le=600_000)] = 30_000
    """A server that is back gets its share of requests little by little, over so long: it comes with cold
    caches, often on a node that starts dozens of services."""
    silent_ms: Annotated[int, Field(ge=500, le=600_000)] = 1500
    """A server whose kernel acknowledges nothing for so long is gone (TCP_USER_TIMEOUT, tcp(7))."""
    max_connections: Annotated[int, Field(ge=100, le=1_000_000)] = 4000
    """Of clients, shared out evenly among the front ends; those above wait in the kernel."""
    peer_port: Annotated[int, Field(ge=1024, le=65_535)] = 10_240
    metrics: bool = False
    """Prometheus metrics on every controller's cluster address."""
    metrics_port: Annotated[int, Field(ge=1024, le=65_535)] = 8405


class Haproxy(Service):
    """Ends TLS and sends each request to a server that works."""

    name = "haproxy"
    summary = "The load balancer: TLS on the virtual IPs, layer-7 checks, hitless reload"
    memory_mib = 30
    modes = (Mode.ACTIVE_ACTIVE,)
    always = True
    packages = ("haproxy",)
    units = (UNIT,)
    Options = HaproxyOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """Its clone: on every controller, needing quorum and nobody's fencing."""
        params = {"unit": UNIT, "check": "http", "target": HEALTH_URL, "deadline": "1", "settle": "6"}
        operations = (
            Operation("start", 0, 40),
            Operation("stop", 0, 40),
            Operation("monitor", 10, 20),
        )
        primitive = Primitive(
            "haproxy",
            AGENT,
            params,
            {"requires": "quorum", "failure-timeout": "30s"},
            operations,
        )
        return Offers(fragment=Fragment((Clone(primitive, {"interleave": "true"}),)))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Certificates, configuration and unit; Pacemaker starts it, a changed configuration reloads it."""
        for node in ctx.controllers:
            yield Placed(Stage.CONFIG, node, directory(TLS, mode=0o700))
            files = [f"directory:{TLS}"]
            for service in sorted({one.service for one in ctx.frontends if one.http and one.tls}):
                pem = file(certificate_path(service), certificate(ctx, service), mode=0o600, secret=True)
                files.append(pem.id)
                yield Placed(Stage.CONFIG, node, pem)
            config = file(
                CONFIG,
                configuration(ctx, node),
                validate=("haproxy", "-c", "-q", "-f", "{}"),
                after=tuple(files),
            )
            yield Placed(Stage.CONFIG, node, config)
            watch = file(WATCH, (TEMPLATES / "haproxy" / "watch").read_text(), mode=0o755, validate=BASH)
            watcher = file(
                f"/etc/systemd/system/{WATCHER}",
                render("haproxy/watch.service.j2", program=WATCH, port=HEALTH_PORT),
                after=(watch.id,),
            )
            drop_in = file(
                f"{DROP_IN}/quorate.conf",
                render("haproxy/haproxy.service.conf.j2", watch=WATCHER),
                after=(watcher.id,),
            )
            # It comes and goes with HAProxy; one that runs is told when its program changes.
            watching = unit(
                WATCHER,
                read=True,
                restart_on=(WATCH, f"/etc/systemd/system/{WATCHER}"),
                after=(watcher.id,),
            )
            for resource in (directory(DROP_IN), watch, watcher, watching, drop_in):
                yield Placed(Stage.CONFIG, node, resource)
            loaded = unit(
                UNIT,
                enabled=False,
                read=True,
                restart_on=(CONFIG, TLS),
                reload=True,
                serial=True,
                after=(config.id, drop_in.id),
            )
            yield Placed(Stage.CONFIG, node, loaded)
            yield Placed(Stage.READY, node, http("the load balancer works", HEALTH_URL, wait_s=30))

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """The servers, as every node's balancer sees them."""
        for node in ctx.controllers:
            yield HealthProbe(self.name, node, "haproxy", {"socket": SOCKET, "timeout_s": 2}, judge)


def certificate_path(service: str) -> str:
    """Where a service's certificate and key are on the nodes."""
    return f"{TLS}/{service}.pem"


def certificate(ctx: Context, service: str) -> str:
    """The certificate of a service's virtual IP, then its key, as HAProxy wants them in one file."""
    crt, key = ctx.pki.certificate(service, [ctx.vips[service]], [ctx.vip_name(service)])
    return crt + key


def configuration(ctx: Context, node: str) -> str:
    """haproxy.cfg of ``node``: the same on every node but for the name it has among its peers."""
    return render(
        "haproxy/haproxy.cfg.j2",
        node=node,
        own=ctx.cluster.address(node),
        nodes=[(name, ctx.cluster.address(name)) for name in ctx.controllers],
        frontends=[_view(ctx, frontend) for frontend in ctx.frontends],
        socket=SOCKET,
        health_port=HEALTH_PORT,
        **ctx.options[Haproxy.name].model_dump(),
    )


def backend(ctx: Context, frontend: Frontend) -> str:
    """The name of a front end's section: the service, and its port where the service has several."""
    several = sum(other.service == frontend.service for other in ctx.frontends) > 1
    return f"{frontend.service}-{frontend.port}" if several else frontend.service


def _view(ctx: Context, frontend: Frontend) -> dict[str, Any]:
    return {
        "service": frontend.service,
        "name": backend(ctx, frontend),
        "vip": ctx.vips.get(frontend.service, ""),
        "host": ctx.vip_name(frontend.service),
        "port": frontend.port,
        "backend_port": frontend.backend_port,
        "check": frontend.check,
        "check_timeout_ms": round((frontend.check.timeout_s or 0) * 1000) if frontend.check else 0,
        "check_every_ms": round((frontend.check.every_s or 0) * 1000) if frontend.check else 0,
        "servers": [(name, ctx.cluster.address(name)) for name in frontend.nodes or ctx.controllers],
        "http": frontend.http,
        "tls": frontend.http and frontend.tls,
        "single_writer": frontend.single_writer,
        "local_port": frontend.local_port,
        "retry_methods": frontend.retry_methods,
        "timeout_ms": round(frontend.timeout_server_s * 1000),
        "server_limit": frontend.server_limit,
        "last_resort": frontend.http and bool(frontend.check) and len(frontend.nodes or ctx.controllers) > 1,
        "certificate": certificate_path(frontend.service),
    }


def judge(state: Mapping[str, Any]) -> Judgement:
    """OK with every server up; failed where a service has none left."""
    down = {
        backend: sorted(server for server, status in servers.items() if not status.startswith("UP"))
        for backend, servers in state["servers"].items()
    }
    dead = sorted(
        backend for backend, servers in state["servers"].items() if len(down[backend]) == len(servers)
    )
    if dead:
        return Judgement(Health.FAILED, f"no server left for {', '.join(dead)}", _why(state, dead))
    partly = [f"{backend} on {', '.join(servers)}" for backend, servers in sorted(down.items()) if servers]
    if partly:
        return Judgement(Health.DEGRADED, f"down: {'; '.join(partly)}", _why(state, sorted(down)))
    count = sum(len(servers) for servers in state["servers"].values())
    return Judgement(Health.OK, f"{count} servers up")


def _why(state: Mapping[str, Any], backends: Iterable[str]) -> str:
    lines = [
        f"{backend} on {server}: {text}"
        for backend in backends
        for server, text in sorted(state["why"].get(backend, {}).items())
    ]
    return "look at those services first: " + "; ".join(lines)
