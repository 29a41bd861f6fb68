"""The database: MariaDB with Galera on every controller, one writer at a time behind HAProxy.

Pacemaker runs it with `ocf:quorate:galera`, which after a full outage starts the node with the latest
commit first. mariadb.service is masked, because a second server on the same files would destroy them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from quorate.pacemaker.model import Clone, Fragment, Operation, Primitive
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.resources.http import http
from quorate.resources.sql import sql
from quorate.resources.unit import unit
from quorate.services.base import (
    Context,
    Database,
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
from quorate.services.clients import database
from quorate.services.rendering import TEMPLATES, render
from quorate.spec.model import Cluster, Mode

PORT, HEALTH_PORT = 3306, 9200
TLS = "/etc/mysql/quorate"
CONFIG = "/etc/mysql/mariadb.conf.d/70-quorate.cnf"
DONOR_S = {"rsync": 2.0, "mariabackup": 86400.0}
"""Seconds for which a donor is fit: one of rsync cannot commit while it copies, one of mariabackup can."""
RESTART_S = 300.0
"""How long one node may take to come back from a restart, a full state transfer included."""
BUSY_S = 120
"""How long Pacemaker's agent may take to look at a member. One that is only slow must not be restarted, least
of all every one of them on busy nodes; HAProxy's own check leads clients away from a member in a second."""
PROGRAM = "/usr/local/lib/quorate/galera-health.py"
HEALTH_UNIT = "quorate-galera-health.service"
WATCH = "/usr/local/lib/quorate/galera-watch"
WATCH_UNIT = "quorate-galera-watch.service"
OWN = "quorate"
"""Schema and account of verify and of drills; the account can only be used over TLS."""
PROBE_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {OWN}.probe (node VARCHAR(15) PRIMARY KEY, at TIMESTAMP(6) NOT NULL"
    " DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), value BIGINT UNSIGNED NOT NULL)"
    " ENGINE=InnoDB"
)
"""A row a node, so that the nodes' own health probes never wait for each other."""
WRITES_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {OWN}.writes (run VARCHAR(64) NOT NULL, seq BIGINT UNSIGNED NOT NULL,"
    " at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), PRIMARY KEY (run, seq)) ENGINE=InnoDB"
)
"""The ledger of verify and of drills: what a run was promised."""


class GaleraOptions(Options):
    """What can differ from one database cluster to the next."""

    buffer_pool_mb: Annotated[int, Field(ge=32, le=1048576)] = 128
    """InnoDB's cache in MiB; give it most of the memory that the database may have."""
    log_file_mb: Annotated[int, Field(ge=16, le=65536)] = 48
    """InnoDB's redo log in MiB. It is part of every full state transfer."""
    gcache_mb: Annotated[int, Field(ge=16, le=65536)] = 128
    """How much of the replicated past a node keeps, so that another can catch up without a full transfer."""
    max_connections: Annotated[int, Field(ge=50, le=16000)] = 400
    applier_threads: Annotated[int, Field(ge=1, le=64)] = 2
    sst: Literal["rsync", "mariabackup"] = "rsync"
    """How a node that is too far behind gets a full copy. rsync blocks writes on the donor meanwhile."""
    suspect_s: Annotated[float, Field(ge=0.5, le=30)] = 1.0
    """Seconds of silence after which a node is suspected."""


def provider_options(options: GaleraOptions, address: str) -> str:
    """Galera's own options.

    The periods follow the suspect timeout: left at their defaults (1 s) the check period and the join
    retransmission cost as much as the timeout itself. Whom all suspect is out at once, so the timeouts that
    only matter while nodes come and go are generous: with an install timeout of 1.5 s, a slow joiner split a
    cluster that was well. Galera documentation, "Galera Parameters".
    """
    silence = options.suspect_s
    step = min(1.0, 0.2 * silence)
    values = {
        "gmcast.listen_addr": f"tcp://{address}:4567",
        "gmcast.peer_timeout": _period(3 * silence),
        "ist.recv_addr": f"{address}:4568",
        "evs.suspect_timeout": _period(silence),
        "evs.inactive_timeout": _period(8 * silence),
        "evs.inactive_check_period": _period(step),
        "evs.join_retrans_period": _period(step),
        "evs.keepalive_period": _period(step),
        "evs.install_timeout": _period(6 * silence),
        "gcache.size": f"{options.gcache_mb}M",
        "gcache.recover": "yes",
        "pc.recovery": "yes",
    }
    return ";".join(f"{key}={value}" for key, value in values.items())


def _period(seconds: float) -> str:
    """ISO 8601, as Galera reads it."""
    return f"PT{round(seconds, 3):g}S"


def native_hash(password: str) -> str:
    """What MariaDB stores for ``password`` (mysql_native_password): no node sees the password itself."""
    return "*" + hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()


def account(wanted: Database, password: str, *, tls: bool = False, tables: Iterable[str] = ()) -> Resource:
    """The schema and the account of one service, as facts that are looked at before they are made."""
    name, user, stored = wanted.name, wanted.user, native_hash(password)
    query = (
        f"SELECT (SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='{name}'),"
        f" (SELECT COUNT(*) FROM mysql.global_priv WHERE User='{user}' AND Host='%'"
        f" AND JSON_VALUE(Priv, '$.authentication_string')='{stored}'"
        f" AND COALESCE(JSON_VALUE(Priv, '$.ssl_type'), 0) = {int(tls)}),"
        f" (SELECT COUNT(*) FROM mysql.db WHERE User='{user}' AND Host='%' AND Db='{name}'"
        " AND Create_priv='Y'),"
        f" (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='{OWN}' AND TABLE_NAME IN"
        f" ('probe', 'writes') AND '{name}'='{OWN}')"
    )
    require = "SSL" if tls else "NONE"
    tables = tuple(tables)
    return sql(
        f"database {name}",
        query=query,
        rows=[[1, 1, 1, len(tables)]],
        statements=(
            f"CREATE DATABASE IF NOT EXISTS `{name}`",
            f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY PASSWORD '{stored}' REQUIRE {require}",
            f"ALTER USER '{user}'@'%' IDENTIFIED BY PASSWORD '{stored}' REQUIRE {require}",
            f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{user}'@'%'",
            *tables,
        ),
    )


class Galera(Service):
    """MariaDB with synchronous replication."""

    name = "galera"
    summary = "The database: MariaDB with Galera, one writer at a time"
    memory_mib = 280
    modes = (Mode.SELF,)
    needs_vip = True
    packages = (
        "mariadb-server",
        "mariadb-client",
        "mariadb-backup",
        "galera-4",
        "rsync",
        "socat",
        "stunnel4",
        "python3-pymysql",
    )
    units = ("mariadb.service", HEALTH_UNIT)
    Options = GaleraOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """A single-writer front end, its own schema, and the promotable clone."""
        addresses = {node: cluster.address(node) for node in cluster.controllers}
        primitive = Primitive(
            id="galera",
            agent="ocf:quorate:galera",
            params={
                "wsrep_cluster_address": "gcomm://" + ",".join(addresses.values()),
                "cluster_host_map": ";".join(f"{node}:{address}" for node, address in addresses.items()),
            },
            # Galera has a quorum of its own: a member never has to wait until a dead one has been fenced.
            meta={"requires": "quorum", "failure-timeout": "60s"},
            operations=(
                Operation("start", timeout_s=180),
                Operation("stop", timeout_s=120),
                Operation("promote", timeout_s=600, on_fail="restart"),
                Operation("demote", timeout_s=120),
                Operation("monitor", interval_s=20, timeout_s=BUSY_S, role="Promoted"),
                # Only between start and promotion: there each one looks whether all members have reported.
                Operation("monitor", interval_s=5, timeout_s=BUSY_S, role="Unpromoted"),
            ),
        )
        count = str(len(addresses))
        meta = {"promotable": "true", "promoted-max": count, "clone-max": count, "interleave": "true"}
        # One after the other: two that join at once disturb each other's state transfer.
        meta["ordered"] = "true"
        return Offers(
            frontends=(
                Frontend(
                    service=self.name,
                    port=PORT,
                    backend_port=PORT,
                    check=HttpCheck("/", port=HEALTH_PORT),
                    http=False,
                    single_writer=True,
                    local_port=PORT,
                    timeout_server_s=3600,
                ),
            ),
            databases=(Database(OWN, OWN),),
            fragment=Fragment(resources=(Clone(primitive, meta),)),
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Configuration, health endpoint; then schemas and accounts, once for the cluster."""
        for node in ctx.controllers:
            yield from (Placed(Stage.CONFIG, node, resource) for resource in self._configured(ctx, node))
            check = http("galera: synced", f"http://{ctx.cluster.address(node)}:{HEALTH_PORT}/", wait_s=300)
            yield Placed(Stage.DATA, node, check)
        for wanted in ctx.databases:
            own = wanted.name == OWN
            made = account(
                wanted,
                ctx.secrets.password(f"db-{wanted.name}"),
                tls=own,
                tables=(PROBE_TABLE, WRITES_TABLE) if own else (),
            )
            waits = f"http:{check.name}"
            yield Placed(Stage.DATA, ctx.leader, replace(made, after=(waits,)))

    def _configured(self, ctx: Context, node: str) -> Iterable[Resource]:
        options = cast(GaleraOptions, ctx.options[self.name])
        address = ctx.cluster.address(node)
        certificate, key = ctx.pki.certificate(
            f"galera-{node}",
            (address, ctx.cluster.address(node, "api"), ctx.vips[self.name], "127.0.0.1"),
            (node, ctx.vip_name(self.name), "localhost"),
            client=True,  # The donor of a state transfer shows it to whoever joins.
        )
        configuration = render(
            "galera/mariadb.cnf.j2",
            **options.model_dump(include={"buffer_pool_mb", "log_file_mb", "max_connections"}),
            applier_threads=options.applier_threads,
            sst=options.sst,
            cluster=ctx.cluster.cluster,
            node=node,
            address=address,
            peers=[ctx.cluster.address(peer) for peer in ctx.controllers],
            # The first one is the writer until something happens to it: the last to be asked.
            donors=[peer for peer in reversed(ctx.controllers) if peer != node],
            tls=TLS,
            provider_options=provider_options(options, address),
        )
        health_unit = render(
            "galera/health.service.j2",
            address=address,
            port=HEALTH_PORT,
            program=PROGRAM,
            donor_s=DONOR_S[options.sst],
        )
        yield unit("mariadb.service", masked=True)
        yield directory("/var/log/mysql", mode=0o750, owner="mysql", group="adm")
        yield directory(TLS, mode=0o750, group="mysql")
        files = (
            file(f"{TLS}/ca.crt", ctx.pki.ca),
            file(f"{TLS}/server.crt", certificate),
            file(f"{TLS}/server.key", key, mode=0o640, group="mysql", secret=True),
            file(CONFIG, configuration),
        )
        yield from files
        yield Resource(
            "mariadb",
            "the database has read its files",
            {
                "files": [str(each.args["path"]) for each in files],
                "resource": self.name,
                "node": node,
                "url": f"http://{address}:{HEALTH_PORT}/",
                "timeout_s": RESTART_S,
            },
            {"current": True},
            after=tuple(each.id for each in files),
            serial=True,
            timeout_s=RESTART_S + 20,
        )
        yield directory("/usr/local/lib/quorate")
        yield file(PROGRAM, (TEMPLATES / "galera/health.py").read_text())
        yield file(f"/etc/systemd/system/{HEALTH_UNIT}", health_unit)
        yield unit(
            HEALTH_UNIT,
            enabled=True,
            active=True,
            restart_on=(PROGRAM, f"/etc/systemd/system/{HEALTH_UNIT}"),
            after=(f"file:{PROGRAM}", f"file:/etc/systemd/system/{HEALTH_UNIT}"),
        )

        yield from self._watch(ctx, node, address)

    def _watch(self, ctx: Context, node: str, address: str) -> Iterable[Resource]:
        """What restarts a member that stays a donor for nobody."""
        peers = [ctx.cluster.address(peer) for peer in ctx.controllers if peer != node]
        values = {"program": WATCH, "node": node, "port": HEALTH_PORT, "address": address, "peers": peers}
        rendered = render("galera/watch.service.j2", **values)
        program = file(
            WATCH, (TEMPLATES / "galera/watch").read_text(), mode=0o755, validate=("bash", "-n", "{}")
        )
        path = f"/etc/systemd/system/{WATCH_UNIT}"
        yield program
        yield file(path, rendered)
        yield unit(
            WATCH_UNIT,
            enabled=True,
            active=True,
            restart_on=(WATCH, path),
            after=(program.id, f"file:{path}"),
        )

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A row committed on every node, in that node's name."""
        members = len(ctx.controllers)
        for node in ctx.controllers:
            args = {"node": node, "timeout_s": 3.0}
            yield HealthProbe(self.name, node, "galera", args, partial(judge, members=members))

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """A row through the virtual IP, then read on every node."""
        nodes = tuple(ctx.controllers)
        yield VerifyStep(self.name, "write and read a row", database.write_and_read)
        yield VerifyStep(
            self.name, "the same row on every node", partial(database.on_every_node, nodes=nodes)
        )


def judge(state: Mapping[str, Any], *, members: int) -> Judgement:
    """A node is OK when it is synced and commits; ``members`` is how many there should be."""
    if state.get("error"):
        return Judgement(
            Health.FAILED,
            str(state["error"]),
            "see /var/log/mysql/error.log on the node, and: quorate status",
        )
    comment, size = state.get("comment", "?"), int(state.get("size", 0))
    if not state.get("ready"):
        return Judgement(
            Health.FAILED,
            f"{comment}, component {state.get('component', '?')}",
            "it rejoins by itself; if it does not, see /var/log/mysql/error.log",
        )
    if not state.get("committed"):
        reason = state.get("commit_error", "no reason given")
        return Judgement(
            Health.FAILED, f"synced, but cannot write: {reason}", "look for a full disk: df -h on the node"
        )
    if comment != "Synced":
        return Judgement(
            Health.DEGRADED, f"{comment}, {size} of {members} members", "wait until it is synced"
        )
    return Judgement(
        Health.OK, f"synced, {size} of {members} members, commit {state.get('commit_ms', '?')} ms"
    )
