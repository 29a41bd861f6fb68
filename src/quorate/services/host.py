"""The host itself: packages, names, kernel settings, and trust in the cluster's own CA."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.resources.base import Placed, Stage
from quorate.resources.command import command
from quorate.resources.file import directory, file
from quorate.resources.packages import packages
from quorate.resources.sysctl import sysctl
from quorate.services.base import Context, Service
from quorate.services.rendering import render
from quorate.spec.model import Cluster, Mode

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Every CA that the host trusts: made by update-ca-certificates(8)."""
PROGRAMS = "/usr/local/lib/quorate"
"""Small programs of quorate's own on the nodes."""
KERNEL = {
    # HAProxy listens on all virtual IPs on all nodes, also on those that are elsewhere.
    "net.ipv4.ip_nonlocal_bind": 1,
    # A peer that lost power sends no RST: give up after about 25 s instead of 15 minutes (tcp(7)).
    "net.ipv4.tcp_retries2": 7,
    "net.ipv4.tcp_syn_retries": 3,
    # Where keepalive is on, a dead peer is found within 45 s instead of 2 hours.
    "net.ipv4.tcp_keepalive_time": 30,
    "net.ipv4.tcp_keepalive_intvl": 5,
    "net.ipv4.tcp_keepalive_probes": 3,
    # An address is answered for and announced on its own network only (ip-sysctl.rst).
    "net.ipv4.conf.all.arp_ignore": 1,
    "net.ipv4.conf.all.arp_announce": 2,
}


class Host(Service):
    """What every node needs before anything else."""

    name = "host"
    summary = "The host: packages, names, kernel settings, trust in the cluster's CA"
    modes = (Mode.SELF,)
    always = True
    packages = ("ca-certificates", "curl", "iproute2", "openssl", "procps", "python3")

    @classmethod
    def packages_on(cls, cluster: Cluster, node: str) -> Iterable[str]:
        """The same on every node, whatever it is for."""
        return cls.packages

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """In the first stage, on every node."""
        ca = ctx.pki.ca
        path = f"/usr/local/share/ca-certificates/quorate-{ctx.cluster.cluster}.crt"
        # A line out of the middle of the signature: in the bundle if, and only if, this CA is.
        line = ca.strip().splitlines()[-3]
        hosts = names(ctx)
        for node in ctx.cluster.nodes:
            for resource in (
                packages(ctx.packages[node]),
                directory(PROGRAMS),
                file("/etc/hosts", hosts),
                sysctl(KERNEL),
                file(path, ca, after=("packages:packages",)),
                command(
                    "trust the cluster's CA",
                    check=("grep", "-qxF", line, BUNDLE),
                    fix=("update-ca-certificates",),
                    after=(f"file:{path}",),
                ),
            ):
                yield Placed(Stage.BASE, node, resource)


def names(ctx: Context) -> str:
    """/etc/hosts, the same on every node: a service's name ("keystone.demo") is that of its virtual IP."""
    by_address: dict[str, list[str]] = {}
    for service, address in sorted(ctx.vips.items()):
        by_address.setdefault(address, []).append(ctx.vip_name(service))
    nodes = [(name, ctx.cluster.address(name)) for name in ctx.cluster.nodes]
    return render("host/hosts.j2", nodes=nodes, vips=sorted(by_address.items()))
