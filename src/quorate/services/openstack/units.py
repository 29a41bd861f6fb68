"""systemd units of OpenStack services: complete ones of our own, of the packages' names.

The packaged ones start MariaDB, RabbitMQ and Keystone behind Pacemaker's back (``Wants=``), and their uWSGI
listens on every address, where HAProxy listens too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quorate.resources.base import Resource
from quorate.resources.file import directory, file
from quorate.resources.unit import unit
from quorate.services.base import Context, HttpCheck
from quorate.services.rendering import TEMPLATES, render

PROGRAMS = "/usr/local/lib/quorate"
CONNECTED = f"{PROGRAMS}/connected"
"""``connected UNIT PORT…``: ends with 0 where a process of the unit has a connection to each of the ports."""
ALIVE = f"{PROGRAMS}/worker-alive.py"
TURN = f"{PROGRAMS}/turn"
"""``turn COMMAND…``: becomes the command once the services before it have loaded."""
PYTHON = f"{PROGRAMS}/python"
"""Where Python looks for modules first: `quicker`."""
HEALTHCHECK = "/healthcheck"
"""What a load balancer asks an API; uWSGI itself answers (templates/openstack/uwsgi.ini.j2)."""
CHECK_S = 1.5
"""How long an answer to HAProxy may take, seconds. There are many such servers on each node: on a busy one
they are slow together, and to take all of them out for that would be an outage that HAProxy made."""
CHECK_EVERY_S = 1.4
"""Between two checks, seconds. One that hangs is out within 5 s (twice `CHECK_S`, this, and a fast check)."""
API_CHECK = HttpCheck(HEALTHCHECK, timeout_s=CHECK_S, every_s=CHECK_EVERY_S)
"""How HAProxy asks an API whether it is fit."""


@dataclass(frozen=True)
class Api:
    """An API under uWSGI, on the node's cluster address and on 127.0.0.1.

    Attributes:
        unit: its systemd unit, named as the package's, with the suffix.
        description: for people.
        account: that it runs as; its home is /var/lib/<account>, its configuration is in /etc/<account>.
        application: a WSGI script (/usr/bin/…), or ``module:callable``.
        port: that it listens on.
        processes: each with a copy of the application.
        threads: of each process.
        request_limit_s: a worker that is longer at one request is ended; 0: no limit, for long transfers.
        silence_s: how long a client may send nothing in the middle of a request.
        extra: further lines of uWSGI's ini.
    """

    unit: str
    description: str
    account: str
    application: str
    port: int
    processes: int = 1
    threads: int = 8
    request_limit_s: int = 60
    silence_s: int = 30
    extra: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The unit without its suffix."""
        return self.unit.removesuffix(".service")

    @property
    def ini(self) -> str:
        """Path of uWSGI's configuration."""
        return f"/etc/{self.account}/quorate-{self.name}-uwsgi.ini"

    @property
    def server_limit(self) -> int:
        """Requests at a time that HAProxy hands to a node: two threads stay free for checks."""
        return max(1, self.processes * self.threads - 2)


def api(ctx: Context, node: str, wanted: Api, *, files: Iterable[Resource] = ()) -> Iterable[Resource]:
    """The files of an API on ``node``, and its unit, read but not started: that is Pacemaker's.

    Args:
        ctx: of the cluster.
        node: where.
        wanted: the API.
        files: of the service; when one changes, the unit is restarted, one node at a time.
    """
    ini = uwsgi(ctx, node, wanted)
    text = service_unit(
        description=wanted.description,
        account=wanted.account,
        command=(TURN, "/usr/bin/uwsgi_python3", "--ini", wanted.ini),
        environment=_caller(wanted.name),
        restart_s="200ms",
        restart_max_s="10s",
    )
    its_own = (
        directory(f"/etc/{wanted.account}", mode=0o750, owner="root", group=wanted.account),
        file(wanted.ini, ini, after=(f"directory:/etc/{wanted.account}",)),
    )
    yield turn()
    yield from managed(wanted.unit, text, files=(*quicker(), *its_own, *files))


def _caller(name: str) -> tuple[str, ...]:
    """Environment of a unit that calls others: the name of its queues, and `quicker`."""
    return (f"OS_OSLO_MESSAGING_RABBIT__PROCESSNAME={name}", f"PYTHONPATH={PYTHON}")


def quicker() -> tuple[Resource, Resource]:
    """What OpenStack's libraries do sooner for whoever has `PYTHON` in PYTHONPATH (see the file itself)."""
    path = f"{PYTHON}/sitecustomize.py"
    source = (TEMPLATES / "openstack/sitecustomize.py").read_text()
    folder = directory(PYTHON)
    return folder, file(path, source, after=(folder.id,))


def turn() -> Resource:
    """The program `TURN`."""
    return file(TURN, (TEMPLATES / "openstack/turn").read_text(), mode=0o755, validate=("sh", "-n", "{}"))


def uwsgi(ctx: Context, node: str, wanted: Api) -> str:
    """uWSGI's configuration of an API on ``node``."""
    return render(
        "openstack/uwsgi.ini.j2",
        name=wanted.name,
        account=wanted.account,
        application=wanted.application,
        addresses=(ctx.cluster.address(node), "127.0.0.1"),
        port=wanted.port,
        processes=wanted.processes,
        threads=wanted.threads,
        request_limit_s=wanted.request_limit_s,
        silence_s=wanted.silence_s,
        alive=HEALTHCHECK,
        extra=wanted.extra,
    )


def daemon(
    name: str,
    *,
    description: str,
    account: str,
    command: Sequence[str],
    files: Iterable[Resource] = (),
    kind: str = "simple",
    hardened: bool = True,
) -> Iterable[Resource]:
    """A worker without a port (scheduler, conductor …): its files, its unit, and what `daemon_clone` asks.

    Args:
        name: its systemd unit, named as the package's, with the suffix.
        description: for people.
        account: that it runs as.
        command: program and arguments; never a secret.
        files: of the service; when one changes, the unit is restarted, one node at a time.
        kind: systemd's Type=: "notify" where the program says when it is ready.
        hardened: off where it has to become root (rootwrap, privsep).
    """
    text = service_unit(
        description=description,
        account=account,
        command=(TURN, *command),
        environment=_caller(name.removesuffix(".service")),
        kind=kind,
        hardened=hardened,
    )
    yield turn()
    source = (TEMPLATES / "openstack" / "connected").read_text()
    yield file(CONNECTED, source, mode=0o755, validate=("sh", "-n", "{}"))
    yield file(ALIVE, (TEMPLATES / "openstack" / "worker-alive.py").read_text())
    yield from managed(name, text, files=(*quicker(), *files))


def alive_words(config: str, url: str, binary: str, *, broker: bool = False) -> tuple[str, ...]:
    """What `daemon_clone` asks about a worker that gives signs of life: whether its API hears of it.

    Args:
        config: its configuration, with the service's account in [service_user] and its host.
        url: of the API's list of services (…/os-services).
        binary: what it is called there.
        broker: it also has to have a connection to a message broker.
    """
    words = ("/usr/bin/python3", "-I", "-S", ALIVE, config, url, binary)
    return (*words, "broker") if broker else words


def service_unit(
    *,
    description: str,
    account: str,
    command: Sequence[str],
    environment: Sequence[str] = (),
    kind: str = "simple",
    restart_s: str = "1s",
    restart_max_s: str = "10s",
    hardened: bool = True,
) -> str:
    """The text of a unit that is always started again and pulls in nothing. Arguments as for `daemon`."""
    return render(
        "openstack/unit.service.j2",
        description=description,
        account=account,
        command=command,
        environment=environment,
        type=kind,
        restart_s=restart_s,
        restart_max_s=restart_max_s,
        hardened=hardened,
    )


def managed(name: str, text: str, *, files: Sequence[Resource] = ()) -> Iterable[Resource]:
    """``files``, and the unit ``name`` with the content ``text``: known to systemd, started by Pacemaker."""
    written = file(f"/etc/systemd/system/{name}", text)
    yield from files
    yield written
    watched = [each for each in (*files, written) if each.kind == "file"]
    yield unit(
        name,
        enabled=False,
        read=True,
        restart_on=tuple(str(each.args["path"]) for each in watched),
        after=tuple(each.id for each in (*files, written)),
        serial=True,
    )
