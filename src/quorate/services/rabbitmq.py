"""The message broker: RabbitMQ on every controller, clustered by itself, with quorum queues.

It is not under Pacemaker: its OCF agents reset a node's data when they see a failure, and the replicas
of quorum queues with it. systemd restarts it; it finds its peers by itself; the side without a majority
pauses.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, cast

from pydantic import Field

from quorate.resources.background import background
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.http import tcp
from quorate.resources.unit import unit
from quorate.services.base import (
    Context,
    Health,
    HealthProbe,
    Judgement,
    Offers,
    Options,
    Service,
    VerifyStep,
)
from quorate.services.clients import messages
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import Cluster, Mode

PORT, TLS_PORT, MANAGEMENT_PORT = 5672, 5671, 15672
UNIT = "rabbitmq-server.service"
ETC = "/etc/rabbitmq"
TLS = f"{ETC}/quorate"
COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
WATCH = "/usr/local/lib/quorate/rabbitmq-watch.py"
WATCH_UNIT = "quorate-rabbitmq-watch.service"
WATCH_SETTINGS = "/etc/quorate/rabbitmq-watch.json"
PARSES = ("python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1], encoding='utf-8').read())", "{}")
OWN = "quorate"
"""Account of verify, of drills and of the nodes' own probes."""


class RabbitmqOptions(Options):
    """What can differ from one broker to the next."""

    memory_mb: Annotated[int, Field(ge=128, le=1048576)] = 400
    """Above this, publishers are made to wait."""
    disk_free_mb: Annotated[int, Field(ge=50, le=1048576)] = 200
    """Below this, publishers are made to wait."""
    poll_interval_ms: Annotated[int, Field(ge=100, le=60000)] = 500
    """How often a follower asks whether the leader's node lives; at 500 a lost leader costs 0.9 to 1.6 s."""
    net_ticktime: Annotated[int, Field(ge=4, le=120)] = 8
    """Seconds after which a broker that says nothing counts as gone, though its kernel does answer (kernel
    application, ``net_ticktime``)."""
    heartbeat_s: Annotated[int, Field(ge=5, le=600)] = 15
    """AMQP heartbeat that the broker proposes to its clients, seconds."""
    silent_s: Annotated[int, Field(ge=1, le=60)] = 4
    """A client or broker whose kernel acknowledges nothing for so long is gone; others get what it had."""


def password_hash(name: str, password: str) -> str:
    """What RabbitMQ stores (rabbit_password_hashing_sha256): base64 of salt and SHA-256 of salt and password.

    The salt comes from the account's name and password, so that the same account always gives the same file.
    """
    salt = hashlib.sha256(f"{name}\0{password}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(passwords: Mapping[str, str]) -> str:
    """The accounts (name to password) and the one virtual host, as the broker imports them on boot."""
    document = {
        "vhosts": [{"name": "/", "default_queue_type": "quorum"}],
        "users": [
            {
                "name": name,
                "password_hash": password_hash(name, password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["administrator"] if name == OWN else [],
            }
            for name, password in sorted(passwords.items())
        ],
        "permissions": [
            {"user": name, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
            for name in sorted(passwords)
        ],
    }
    return json.dumps(document, indent=1) + "\n"


class Rabbitmq(Service):
    """A RabbitMQ cluster of all controllers."""

    name = "rabbitmq"
    summary = "The message broker: RabbitMQ, quorum queues on every controller"
    memory_mib = 130
    modes = (Mode.SELF,)
    packages = ("rabbitmq-server",)
    units = (UNIT,)
    Options = RabbitmqOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """Its own account. No front end: clients list all brokers and change over by themselves."""
        return Offers(message_users=(OWN,))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files before the first start, the cookie above all; then the unit, and proof that it listens."""
        for node in ctx.controllers:
            for resource in (*self._configured(ctx, node), *_watched(ctx, node)):
                yield Placed(Stage.CONFIG, node, resource)
            runs = replace(unit(UNIT, active=True, timeout_s=300), name=f"{UNIT}: runs")
            yield Placed(Stage.READY, node, runs)
            listens = tcp(
                "rabbitmq: takes connections",
                ctx.cluster.address(node),
                PORT,
                wait_s=60,
                after=(runs.id,),
            )
            yield Placed(Stage.READY, node, listens)

    def _configured(self, ctx: Context, node: str) -> Iterable[Resource]:
        options = cast(RabbitmqOptions, ctx.options[self.name])
        address, api_address = ctx.cluster.address(node), ctx.cluster.address(node, "api")
        certificate, key = ctx.pki.certificate(f"rabbitmq-{node}", (address, api_address), (node,))
        names = {
            "address": address,
            "api_address": api_address,
            "node": node,
            "nodes": ctx.controllers,
            "tls": TLS,
        }
        ports = {"port": PORT, "tls_port": TLS_PORT, "management_port": MANAGEMENT_PORT}
        cluster = ctx.cluster.cluster
        configuration = render(
            "rabbitmq/rabbitmq.conf.j2", **options.model_dump(), **names, **ports, cluster=cluster
        )
        passwords = {name: ctx.secrets.password(f"mq-{name}") for name in ctx.message_users}
        cookie = ctx.secrets.password("rabbitmq-cookie")
        files = (
            file(COOKIE, cookie, mode=0o400, owner="rabbitmq", group="rabbitmq", secret=True),
            file(f"{TLS}/ca.crt", ctx.pki.ca),
            file(f"{TLS}/server.crt", certificate),
            file(f"{TLS}/server.key", key, mode=0o640, group="rabbitmq", secret=True),
            file(f"{ETC}/rabbitmq.conf", configuration),
            file(
                f"{ETC}/advanced.config",
                render("rabbitmq/advanced.config.j2", silent_ms=options.silent_s * 1000),
            ),
            file(f"{ETC}/rabbitmq-env.conf", render("rabbitmq/rabbitmq-env.conf.j2", **names)),
            file(f"{ETC}/enabled_plugins", "[rabbitmq_management].\n"),
            file(
                f"{ETC}/definitions.json", definitions(passwords), mode=0o640, group="rabbitmq", secret=True
            ),
            file(f"{DROP_IN}/quorate.conf", render("rabbitmq/unit.conf.j2")),
        )
        yield directory(TLS, mode=0o750, group="rabbitmq")
        yield directory(DROP_IN)
        yield from files
        known = unit(UNIT, enabled=True, read=True, after=tuple(each.id for each in files))
        yield known
        # All brokers are started at once and not waited for: they find each other while the rest goes on.
        started = background(UNIT, after=(known.id,))
        yield started
        watched = tuple(str(each.args["path"]) for each in files)
        current = unit(UNIT, restart_on=watched, after=(started.id,), serial=True, timeout_s=300)
        yield replace(current, name=f"{UNIT}: has read its files")

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Members, alarms and partitions, as this node sees them."""
        for node in ctx.controllers:
            args = {**_interface(ctx, node), "timeout_s": 3.0}
            yield HealthProbe(self.name, node, "rabbitmq", args, partial(judge, members=len(ctx.controllers)))

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """A message through every broker."""
        for node in ctx.controllers:
            title = f"publish, confirm and consume on {node}"
            yield VerifyStep(self.name, title, partial(messages.publish_and_consume, node=node))


def _interface(ctx: Context, node: str) -> dict[str, Any]:
    """How the broker is asked on its own node."""
    return {
        "url": f"http://127.0.0.1:{MANAGEMENT_PORT}",
        "user": OWN,
        "password": str(ctx.secrets.password(f"mq-{OWN}")),
        "node": f"rabbit@{node}",
    }


def _watched(ctx: Context, node: str) -> Iterable[Resource]:
    """What restarts a broker that a network fault left on the smaller side for good."""
    settings = json.dumps({**_interface(ctx, node), "members": len(ctx.controllers), "port": PORT}) + "\n"
    path = f"/etc/systemd/system/{WATCH_UNIT}"
    files = (
        file(WATCH, (TEMPLATES / "rabbitmq" / "watch.py").read_text(), mode=0o755, validate=PARSES),
        file(WATCH_SETTINGS, settings, mode=0o600, secret=True),
        file(path, render("rabbitmq/watch.service.j2", program=WATCH, settings=WATCH_SETTINGS)),
    )
    yield from files
    after = tuple(each.id for each in files)
    yield unit(WATCH_UNIT, enabled=True, active=True, restart_on=(WATCH, WATCH_SETTINGS, path), after=after)


def judge(state: Mapping[str, Any], *, members: int) -> Judgement:
    """OK when the node is a member, sees no partition and has no alarm, of ``members`` there should be."""
    if state.get("error"):
        return Judgement(Health.FAILED, str(state["error"]), "journalctl -u rabbitmq-server on the node")
    alarms, partitions, running = (
        state.get("alarms", []),
        state.get("partitions", []),
        state.get("running", []),
    )
    if partitions:
        return Judgement(
            Health.FAILED,
            f"does not agree with {', '.join(partitions)}",
            "restart rabbitmq-server on the smaller side",
        )
    if alarms:
        text = f"publishers are made to wait: {', '.join(alarms)}"
        return Judgement(Health.DEGRADED, text, "make room: df -h and free -m on the node")
    return Judgement(Health.OK, f"{len(running)} of {members} members, no alarm")
