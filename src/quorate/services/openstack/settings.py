"""What every OpenStack service has to know about the others, for templates/openstack/sections.j2.

Every client is bounded: a controller that dies without a word must not hang a service anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quorate.secrets.store import Secrets
from quorate.services.base import Context

CA = "/etc/ssl/certs/ca-certificates.crt"
"""Every CA that the host trusts, the cluster's own among them."""
PROJECT = "service"
"""The project of the services' accounts."""
TOKEN = "/run/quorate/probe-token"
"""Where a node keeps the token that its looks at the APIs use."""
BROKER_PORT, CACHE_PORT = 5672, 11211


@dataclass(frozen=True)
class Common:
    """Where the shared services are. In a template it is called ``os``.

    Attributes:
        identity: Keystone's URL, with its version.
        region: of the catalogue.
        ca: file of the CAs that its certificate is checked with.
        project: of the services' accounts.
        brokers: address and port of every message broker.
        caches: address and port of every memcached.
    """

    identity: str
    region: str
    ca: str
    project: str
    brokers: Sequence[str]
    caches: Sequence[str]
    secrets: Secrets

    def password(self, account: str) -> str:
        """Of a service's account in Keystone."""
        return self.secrets.password(f"os-{account}")

    def database(self, name: str, user: str = "", *, timeout_s: int = 20) -> str:
        """SQLAlchemy's URL of a schema (`quorate.services.base.Database`).

        HAProxy on the same node leads to the one writer, and cuts sessions when it goes; the time-outs are
        for what it cannot see.

        Args:
            name: of the schema.
            user: its owner; of the same name where empty.
            timeout_s: how long one answer may take.
        """
        password = self.secrets.password(f"db-{name}")
        limits = f"connect_timeout=2&read_timeout={timeout_s}&write_timeout={timeout_s}"
        return f"mysql+pymysql://{user or name}:{password}@127.0.0.1:3306/{name}?charset=utf8&{limits}"

    def remote_database(self, name: str, user: str = "", *, host: str, timeout_s: int = 20) -> str:
        """`database`, for a node that has no HAProxy: through the database's virtual IP ``host``."""
        return self.database(name, user, timeout_s=timeout_s).replace("@127.0.0.1:", f"@{host}:")

    def transport(self, user: str) -> str:
        """oslo.messaging's URL: every broker by itself. The library shuffles them, connection by connection.

        Args:
            user: an account on the broker (`quorate.services.base.Offers.message_users`).
        """
        password = self.secrets.password(f"mq-{user}")
        return "rabbit://" + ",".join(f"{user}:{password}@{broker}" for broker in self.brokers) + "//"

    def cache_key(self) -> str:
        """What tokens are encrypted with in memcached, the same for all services."""
        return self.secrets.password("memcache-key")


def common(ctx: Context) -> Common:
    """`Common` for every node of this cluster."""
    addresses = [ctx.cluster.address(node) for node in ctx.controllers]
    return Common(
        identity=endpoint(ctx, "keystone") + "/v3",
        region=ctx.cluster.region,
        ca=CA,
        project=PROJECT,
        brokers=[f"{address}:{BROKER_PORT}" for address in addresses],
        caches=[f"{address}:{CACHE_PORT}" for address in addresses],
        secrets=ctx.secrets,
    )


def endpoint(ctx: Context, service: str, port: int | None = None) -> str:
    """``https://VIP:port`` of another service's front end, as clients address it.

    Args:
        ctx: of the cluster.
        service: whose front end.
        port: which, where it has several; otherwise its first.

    Raises:
        KeyError: this cluster has no such front end; a service that needs it says so in ``needs``.
    """
    for frontend in ctx.frontends:
        if frontend.service == service and port in (None, frontend.port):
            return f"https://{ctx.vips[service]}:{frontend.port}"
    raise KeyError(f"{service} has no front end" + (f" on port {port}" if port else ""))
