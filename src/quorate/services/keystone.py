"""Identity: Keystone on every controller at once, behind HAProxy. Tokens are Fernet: no node keeps any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, cast

from pydantic import Field

from quorate.pacemaker.model import Fragment
from quorate.pacemaker.unit import http_clone
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.command import command
from quorate.resources.file import directory, file
from quorate.resources.http import http
from quorate.resources.identity import Entry, User
from quorate.resources.identity import identity as identity_of
from quorate.resources.keyring import keyring
from quorate.resources.schema import schema
from quorate.secrets import fernet
from quorate.services.base import (
    READY_S,
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
from quorate.services.clients import identity
from quorate.services.day import account
from quorate.services.day.contract import Step
from quorate.services.openstack.health import access
from quorate.services.openstack.settings import PROJECT
from quorate.services.openstack.settings import endpoint as endpoint_of
from quorate.services.openstack.units import HEALTHCHECK, PYTHON, Api, managed, quicker, uwsgi
from quorate.services.rendering import render
from quorate.spec.model import Cluster, Mode

PORT = 5000
UNIT = "keystone.service"
ETC = "/etc/keystone"
FERNET_KEYS, CREDENTIAL_KEYS = f"{ETC}/fernet-keys", f"{ETC}/credential-keys"
ADMIN_SECRET = "keystone-admin"
"""The secret that holds the password of the account ``admin``."""
FERNET_REPOSITORY, CREDENTIAL_REPOSITORY = "keystone-fernet.json", "keystone-credential.json"
DATABASE = Database("keystone", "keystone")
HEADS = "/usr/lib/python3/dist-packages/keystone/common/sql/migrations/versions/*_HEAD"
BOOTSTRAP = "keystone: account admin and catalogue"
INTERFACES = ("admin", "internal", "public")


class KeystoneOptions(Options):
    """What can differ from one identity service to the next."""

    processes: Annotated[int, Field(ge=1, le=64)] = 2
    """Worker processes on each controller, about 120 MB each."""
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    """Threads of each process."""
    request_limit_s: Annotated[int, Field(ge=10, le=600)] = 60
    """A worker that is longer at one request is ended."""
    database_timeout_s: Annotated[int, Field(ge=2, le=600)] = 20
    """How long one answer of the database may take before the connection is given up."""
    token_expiration_s: Annotated[int, Field(ge=300, le=86400)] = 3600
    max_active_keys: Annotated[int, Field(ge=3, le=1000)] = 5
    """Fernet keys that are kept. Tokens are read for (max_active_keys - 2) rotations after they were made."""
    password_hash_rounds: Annotated[int, Field(ge=4, le=31)] = 12
    """bcrypt's cost (2^n): 12, Keystone's default, is 0.2 s of CPU for each login with a password."""


class Keystone(Service):
    """The identity API: uWSGI under a unit of our own, which Pacemaker runs as a clone."""

    name = "keystone"
    summary = "Identity: Keystone on every controller, Fernet tokens"
    memory_mib = 140
    modes = (Mode.ACTIVE_ACTIVE,)
    needs_vip = True
    needs = ("galera", "memcached")
    packages = ("keystone", "uwsgi-plugin-python3", "python3-pymysql", "python3-memcache")
    units = (UNIT,)
    Options = KeystoneOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """The front end, the schema and the clone."""
        url = f"http://127.0.0.1:{PORT}/v3"
        clone = http_clone(self.name, UNIT, url, deadline_s=5, monitor_s=15, monitor_timeout_s=60, held=False)
        return Offers(
            frontends=(
                Frontend(
                    self.name,
                    port=PORT,
                    backend_port=PORT,
                    check=HttpCheck(HEALTHCHECK),
                    server_limit=_api(options).server_limit,
                ),
            ),
            databases=(DATABASE,),
            fragment=Fragment(resources=(clone,)),
        )

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files and keys on all nodes; schema, first account and catalogue once; proof that each serves."""
        for node in ctx.controllers:
            for resource in self._configured(ctx, node):
                yield Placed(Stage.CONFIG, node, resource)
            url = f"http://{ctx.cluster.address(node)}:{PORT}/v3"
            yield Placed(Stage.READY, node, http("keystone: serves", url, wait_s=READY_S))
        for resource in bootstrap(ctx):
            yield Placed(Stage.BOOTSTRAP, ctx.leader, resource)

    def _configured(self, ctx: Context, node: str) -> Iterable[Resource]:
        options = cast(KeystoneOptions, ctx.options[self.name])
        configuration = render(
            "keystone/keystone.conf.j2",
            **options.model_dump(),
            endpoint=endpoint(ctx).removesuffix("/v3"),
            database=DATABASE,
            database_password=ctx.secrets.password(f"db-{DATABASE.name}"),
            memcached=[f"{ctx.cluster.address(peer)}:11211" for peer in ctx.controllers],
            fernet_keys=FERNET_KEYS,
            credential_keys=CREDENTIAL_KEYS,
        )
        ini = uwsgi(ctx, node, _api(options))
        ini_path = f"{ETC}/quorate-uwsgi.ini"
        yield directory(ETC, mode=0o750, owner="keystone", group="keystone")
        for path, name in ((FERNET_KEYS, FERNET_REPOSITORY), (CREDENTIAL_KEYS, CREDENTIAL_REPOSITORY)):
            repository = fernet.load(ctx.secrets.folder, name)
            yield keyring(
                path, repository.files(), owner="keystone", group="keystone", after=(f"directory:{ETC}",)
            )
        files = (
            *quicker(),
            file(f"{ETC}/keystone.conf", configuration, mode=0o640, group="keystone", secret=True),
            file(ini_path, ini),
        )
        text = render("keystone/keystone.service.j2", ini=ini_path, python=PYTHON)
        yield from managed(UNIT, text, files=files)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """A token of each node, used for a question that only the database answers."""
        for node in ctx.controllers:
            args = {
                "url": f"http://{ctx.cluster.address(node)}:{PORT}/v3",
                "user": "admin",
                "password": str(ctx.secrets.password(ADMIN_SECRET)),
                "project": "admin",
                # Of its own: made by this node's Keystone, as a proof that it can.
                "cache": "/run/quorate/keystone-probe-token",
                "timeout_s": 4.0,
            }
            yield HealthProbe(self.name, node, "keystone", args, judge)

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """A token, a list, and a project made and removed, through the virtual IP."""
        yield VerifyStep(self.name, "issue a token", identity.issue_token)
        yield VerifyStep(self.name, "list projects", identity.list_projects)
        yield VerifyStep(
            self.name,
            "create and delete a project",
            identity.create_and_delete_project,
            timeout_s=identity.GONE_S + 25,
        )

    def day(self, ctx: Context) -> Iterable[Step]:
        """The tenant's account, made in the morning and deleted in the evening."""
        return account.steps(self.name)


def _api(options: KeystoneOptions) -> Api:
    return Api(
        unit=UNIT,
        description="OpenStack Keystone API",
        account="keystone",
        application="/usr/bin/keystone-wsgi-public",
        port=PORT,
        processes=options.processes,
        threads=options.threads,
        request_limit_s=options.request_limit_s,
    )


def endpoint(ctx: Context) -> str:
    """Keystone's URL, as the catalogue says it."""
    return f"https://{ctx.vips[Keystone.name]}:{PORT}/v3"


def bootstrap(ctx: Context) -> Iterable[Resource]:
    """Schema, account ``admin`` with its role and project, the catalogue's own entry: guarded by looks."""
    tables = schema(DATABASE.name, heads=HEADS, sync=("keystone-manage", "db_sync"), user="keystone")
    yield tables
    url, region = endpoint(ctx), ctx.cluster.region
    check = (
        "SELECT CONCAT('endpoints=', COUNT(DISTINCT e.interface), ' admin=', (SELECT COUNT(*) FROM"
        " assignment a JOIN local_user u ON u.user_id = a.actor_id JOIN role r ON r.id = a.role_id"
        " JOIN project p ON p.id = a.target_id WHERE u.name = 'admin' AND r.name = 'admin'"
        " AND p.name = 'admin' AND a.type = 'UserProject'))"
        f" FROM endpoint e WHERE e.url = '{url}' AND e.enabled AND e.region_id = '{region}'"
    )
    urls = [word for interface in INTERFACES for word in (f"--bootstrap-{interface}-url", url)]
    yield command(
        BOOTSTRAP,
        check=("mariadb", "-N", "-B", "--connect-timeout=5", DATABASE.name),
        check_stdin=check,
        expect=f"endpoints={len(INTERFACES)} admin=1",
        fix=("keystone-manage", "bootstrap", *urls, "--bootstrap-region-id", region),
        env={"OS_BOOTSTRAP_PASSWORD": str(ctx.secrets.password(ADMIN_SECRET))},
        after=(tables.id,),
        secret=True,
        timeout_s=120,
    )
    if ctx.accounts or ctx.catalogue:
        yield others(ctx)


def others(ctx: Context) -> Resource:
    """The accounts and the catalogue entries that the other services offer."""
    return identity_of(
        "accounts and catalogue of the services",
        database=DATABASE.name,
        project=PROJECT,
        region=ctx.cluster.region,
        users=[
            User(account.name, ctx.secrets.password(f"os-{account.name}"), account.roles)
            for account in ctx.accounts
        ],
        entries=[
            Entry(entry.type, entry.name, endpoint_of(ctx, entry.service, entry.port) + entry.path)
            for entry in ctx.catalogue
        ],
        access=access(ctx, timeout_s=20.0),
        kept="/run/quorate/known-passwords",
        after=(f"command:{BOOTSTRAP}",),
    )


def fernet_keys(ctx: Context) -> tuple[str, str, str, int]:
    """For a rotation: file name here, folder and account on the nodes, and how many keys stay."""
    options = cast(KeystoneOptions, ctx.options[Keystone.name])
    return FERNET_REPOSITORY, FERNET_KEYS, "keystone", options.max_active_keys


def judge(state: Mapping[str, Any]) -> Judgement:
    """OK when a token was issued and the database answered."""
    if state.get("listed"):
        return Judgement(Health.OK, f"issues tokens, {state.get('ms', '?')} ms")
    if state.get("issued"):
        reason = state.get("error") or f"answered {state.get('status')}"
        return Judgement(
            Health.FAILED,
            f"has a token, but cannot list projects: {reason}",
            "look at galera first: quorate status",
        )
    return Judgement(
        Health.FAILED, str(state.get("error") or "issues no token"), "journalctl -u keystone on the node"
    )
