"""How to use the plane: where its doors are, and the file with which the ``openstack`` client opens them."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from quorate.errors import PreconditionError
from quorate.home import Home
from quorate.secrets.store import Secret, Secrets, write_private
from quorate.services.base import Context, Frontend

IDENTITY, DASHBOARD = "keystone", "horizon"
ADMIN_SECRET = "keystone-admin"
"""The secret that holds the password of the account ``admin`` (`services.keystone`)."""


@dataclass(frozen=True)
class Environment:
    """What a person needs to use one cluster. Holds no secret, only where secrets are.

    Args:
        cluster: its name, and the name of the one cloud in ``clouds``.
        region: the region that clients ask for.
        endpoints: service to the URL or address:port that clients use.
        auth_url: Keystone's, with its version.
        clouds: clouds.yaml, 0600.
        ca_file: the certificate authority that clients have to trust.
        secrets: the folder of all passwords, 0600 each.
        ssh: a command for each node, as an argument list.
    """

    cluster: str
    region: str
    endpoints: Mapping[str, str]
    auth_url: str
    clouds: Path
    ca_file: Path
    secrets: Path
    ssh: Mapping[str, tuple[str, ...]]

    @property
    def dashboard(self) -> str:
        """Horizon's address, or nothing where the cluster has none."""
        return self.endpoints.get(DASHBOARD, "")

    @property
    def password_file(self) -> Path:
        """Where the password of the account ``admin`` is."""
        return self.secrets / ADMIN_SECRET

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "cluster": self.cluster,
            "region": self.region,
            "auth_url": self.auth_url,
            "dashboard": self.dashboard,
            "endpoints": dict(self.endpoints),
            "clouds": str(self.clouds),
            "ca_file": str(self.ca_file),
            "secrets": str(self.secrets),
            "user": "admin",
            "password_file": str(self.password_file),
            "ssh": {node: list(argv) for node, argv in self.ssh.items()},
        }

    def shell(self) -> str:
        """Lines that a POSIX shell can ``eval``."""
        clouds = shlex.quote(str(self.clouds))
        return f"export OS_CLIENT_CONFIG_FILE={clouds}\nexport OS_CLOUD={self.cluster}\n"


def endpoint(frontend: Frontend, vip: str) -> str:
    """What a client types to reach ``frontend``: a URL for HTTP, address:port for anything else."""
    if not frontend.http:
        return f"{vip}:{frontend.port}"
    scheme, usual = ("https", 443) if frontend.tls else ("http", 80)
    return f"{scheme}://{vip}" if frontend.port == usual else f"{scheme}://{vip}:{frontend.port}"


def environment(ctx: Context, home: Home) -> Environment:
    """Everything that a client outside needs, from the spec alone. Pure."""
    cluster = ctx.cluster
    first: dict[str, str] = {}
    for frontend in ctx.frontends:
        if frontend.service in ctx.vips:
            first.setdefault(frontend.service, endpoint(frontend, ctx.vips[frontend.service]))
    identity = first.get(IDENTITY, "")
    return Environment(
        cluster=cluster.cluster,
        region=cluster.region,
        endpoints=first,
        auth_url=f"{identity}/v3" if identity else "",
        clouds=home.clouds,
        ca_file=home.ca_file,
        secrets=home.secrets,
        ssh={node: ssh_command(ctx, node) for node in cluster.nodes},
    )


def ssh_command(ctx: Context, node: str) -> tuple[str, ...]:
    """The OpenSSH command that reaches ``node`` with the operator's key and the pinned host keys."""
    ssh = ctx.cluster.ssh
    return (
        *("ssh", "-i", str(ctx.folder / ssh.key), "-o", f"UserKnownHostsFile={ctx.folder / ssh.known_hosts}"),
        *("-o", "StrictHostKeyChecking=yes"),
        *(("-p", str(ssh.port)) if ssh.port != 22 else ()),
        f"{ssh.user}@{ctx.cluster.address(node)}",
    )


def clouds_document(env: Environment, password: Secret) -> str:
    """clouds.yaml with exactly one cloud.

    openstacksdk takes the only cloud of the file when OS_CLOUD is not set (openstack.config.loader), so that
    OS_CLIENT_CONFIG_FILE alone is enough.
    """
    document = {
        "clouds": {
            env.cluster: {
                "auth": {
                    "auth_url": env.auth_url,
                    "username": "admin",
                    "password": str(password),
                    "project_name": "admin",
                    "user_domain_name": "Default",
                    "project_domain_name": "Default",
                },
                "region_name": env.region,
                "interface": "public",
                "identity_api_version": "3",
                "cacert": str(env.ca_file),
                "verify": True,
            }
        }
    }
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(document, text)
    return text.getvalue()


def write_clouds(env: Environment, secrets: Secrets, home: Home) -> Path:
    """Write clouds.yaml, 0600, and return its path.

    Raises:
        PreconditionError: the cluster has no Keystone, or its certificate authority has not been made yet.
    """
    if not env.auth_url:
        raise PreconditionError(
            "no Keystone in this cluster, so there is no cloud to log in to",
            where=env.cluster,
            next_step="enable keystone in cluster.yaml, then run: quorate apply",
        )
    if not env.ca_file.exists():
        raise PreconditionError(
            "the cluster has no certificate authority yet, so clients could not check whom they talk to",
            where=str(env.ca_file),
            next_step="run: quorate apply",
        )
    document = clouds_document(env, secrets.password(ADMIN_SECRET)).encode()
    if not home.clouds.exists() or home.clouds.read_bytes() != document:
        write_private(home.clouds, document)
    return home.clouds
