"""A service of the user's own: what cluster.yaml says of it, as a service like every other.

Made from its spec by the registry; the class has no name, so nobody takes it for a service by itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from quorate.errors import PreconditionError
from quorate.pacemaker import own as cluster_part
from quorate.pacemaker import storage
from quorate.pacemaker.model import Fragment
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.command import command
from quorate.resources.file import directory, file
from quorate.resources.http import tcp
from quorate.resources.shared_file import shared_file
from quorate.resources.shared_filesystem import shared_filesystem, storage_watch
from quorate.resources.unit import unit
from quorate.services.base import (
    Context,
    Frontend,
    Health,
    HealthProbe,
    HttpCheck,
    Judgement,
    Offers,
    Outside,
    Service,
    VerifyStep,
)
from quorate.services.clients import site
from quorate.spec.model import Cluster, Mode, OwnFile, ServiceSpec
from quorate.spec.own import gated, health_of, mode_of, nodes_of, on_storage, server_port, unit_of

VIP = "vip"
"""The service whose options say how addresses are announced."""
READY_S = 60.0
"""After Pacemaker has come to rest, how long an apply waits for the first right answer."""
BELOW_400 = "200-399"


class Own(Service):
    """One service of the user's own.

    Args:
        name: as in cluster.yaml.
        spec: what cluster.yaml says of it.
    """

    modes = (Mode.ACTIVE_PASSIVE, Mode.ACTIVE_ACTIVE)

    def __init__(self, name: str, spec: ServiceSpec) -> None:
        self.name, self.spec = name, spec
        self.both = mode_of(spec) is Mode.ACTIVE_ACTIVE
        self.summary = f"A service of your own: {unit_of(spec) or spec.agent}, {mode_of(spec).value}"
        self.needs_vip = self.both or spec.vip is not None
        self.units = (unit_of(spec),) if spec.unit else ()
        its = (("nftables",) if gated(spec) else ()) + (storage.PACKAGES if spec.storage else ())
        self.packages = (*spec.packages, *its)

    def packages_for(self, cluster: Cluster, node: str) -> tuple[str, ...]:
        """The Debian packages that ``node`` needs for it: none where it never runs."""
        return self.packages if node in nodes_of(cluster, self.spec) else ()

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """Active/active: its port at HAProxy. Active/passive has its address to itself."""
        port, behind, health = self.spec.port, server_port(self.spec), health_of(self.spec)
        if not self.both or port is None or behind is None:
            return Offers()
        path = health.http if health else None
        frontend = Frontend(
            self.name,
            port=port,
            backend_port=behind,
            check=HttpCheck(path, BELOW_400) if path else None,
            http=path is not None,
            tls=self.spec.tls,
            nodes=nodes_of(cluster, self.spec),
        )
        return Offers(frontends=(frontend,))

    def fragment(self, ctx: Context) -> Fragment:
        """Its group, or its clone."""
        digest = hashlib.sha256()
        if self.spec.agent:
            for path in self.spec.files:
                digest.update(f"{path}\0".encode() + self._content(ctx, path) + b"\0")
        said = digest.hexdigest()[:16] if self.spec.agent and self.spec.files else ""
        announce = ctx.options[VIP].model_dump()
        return cluster_part.fragment(self.name, self.spec, ctx.cluster, announce, said)

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """Files, unit and disk on its nodes; Pacemaker starts it; then it has to answer its clients."""
        for node in nodes_of(ctx.cluster, self.spec):
            for resource in self._configured(ctx):
                yield Placed(Stage.CONFIG, node, resource)
            if self.spec.storage:
                yield Placed(Stage.STORAGE, node, shared_filesystem(self.name, self.spec.storage))
                yield Placed(Stage.STORAGE, node, storage_watch(self.spec.storage))
            if self.both:
                host = ctx.cluster.address(node)
                yield from (Placed(Stage.READY, node, one) for one in self._answers(host, direct=True))
        if not self.both:
            yield Placed(Stage.READY, ctx.leader, self._running())
        if self.name in ctx.vips:
            for one in self._answers(ctx.vips[self.name], direct=False):
                yield Placed(Stage.READY, ctx.leader, one)

    def _configured(self, ctx: Context) -> Iterable[Resource]:
        copies = self._copies()
        done: list[str] = []
        folders: set[str] = set()
        if copies:
            for folder, entries in _tree(f"{cluster_part.STAGED}/{self.name}", copies.values()).items():
                yield directory(folder, purge=True, keep=sorted(entries))
        for path, its in self.spec.files.items():
            content, about = self._content(ctx, path), _attributes(its)
            if self.spec.storage and path in copies:
                yield file(copies[path], _text(content), **about)
                resource = shared_file(path, _text(content), self.spec.storage.mount, **about)
            else:
                folder = str(PurePosixPath(path).parent)
                if folder not in folders:
                    folders.add(folder)
                    yield command(
                        f"folder {folder}", check=("test", "-d", folder), fix=("mkdir", "-p", folder)
                    )
                resource = file(path, _text(content), after=(f"command:folder {folder}",), **about)
            done.append(resource.id)
            yield resource
        if self.spec.unit:
            yield unit(
                unit_of(self.spec),
                enabled=False,
                read=True,
                restart_on=tuple(self.spec.files),
                reload=self.spec.reload,
                after=done,
                serial=True,
                timeout_s=self.spec.stop_s + self.spec.start_s + 30.0,
            )

    def _copies(self) -> dict[str, str]:
        """Those of its files that are on its storage, and where each node keeps a copy for an empty one."""
        mount = self.spec.storage.mount if self.spec.storage else ""
        top = f"{cluster_part.STAGED}/{self.name}"
        return {path: f"{top}/{os.path.relpath(path, mount)}" for path in on_storage(self.spec)}

    def _content(self, ctx: Context, path: str) -> bytes:
        its = self.spec.files[path]
        if its.content is not None:
            return its.content.encode()
        source = ctx.folder / str(its.source)
        try:
            return source.read_bytes()
        except OSError as error:
            raise PreconditionError(
                f"{source} cannot be read: {error.strerror}",
                where=f"services.{self.name}.files.{path}.source",
                next_step="put the file there; its path starts from the folder of cluster.yaml",
            ) from error

    def _running(self) -> Resource:
        """The last member of the group runs, and so all before it."""
        last = f"{self.name}-open" if gated(self.spec) else self._program
        return command(
            f"{self.name}: active",
            check=("crm_resource", "--resource", last, "--locate"),
            expect="is running on",
            settle_s=READY_S,
        )

    @property
    def _program(self) -> str:
        """What Pacemaker calls the unit or the agent."""
        return self.name if self.both else f"{self.name}-{'unit' if self.spec.unit else 'agent'}"

    def _answers(self, host: str, *, direct: bool) -> Iterable[Resource]:
        """It answers at ``host``: ``direct``, itself; else through whatever its clients go through."""
        health = health_of(self.spec)
        port = server_port(self.spec) if direct else self.spec.port
        title = f"{self.name}: serves" + (" itself" if direct else "")
        if health is None or port is None:
            return
        if health.http is None:
            yield tcp(title, host, port, wait_s=READY_S)
            return
        scheme = "https" if self.spec.tls and not direct else "http"
        url = f"{scheme}://{host}:{port}{health.http}"
        limit = ("--max-time", str(health.deadline_s))
        check = (
            "curl",
            "--silent",
            "--show-error",
            "--fail",
            *limit,
            "--noproxy",
            "*",
            "-o",
            "/dev/null",
            url,
        )
        yield command(title, check=check, settle_s=READY_S, check_timeout_s=health.deadline_s + 5.0)

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """Where it runs: whether it works. Where it does not: whether it could."""
        check = health_of(self.spec)
        vip = ctx.vips.get(self.name, "") if not self.both else ""
        disk = self.spec.storage
        for node in nodes_of(ctx.cluster, self.spec):
            args = {
                "node": node,
                "unit": unit_of(self.spec),
                "resource": self._program,
                "vip": vip,
                "mount": disk.mount if disk else "",
                "device": disk.device if disk else "",
                "check": self._asked(vip or "127.0.0.1"),
                "timeout_s": min(check.deadline_s if check else 2, 4),
            }
            yield HealthProbe(self.name, node, "own", args, self._judge())

    def _asked(self, host: str) -> dict[str, Any]:
        health, port = health_of(self.spec), server_port(self.spec)
        if health is None:
            return {"kind": "none"}
        if health.command:
            return {"kind": "command", "argv": list(health.command)}
        if health.http:
            return {"kind": "http", "url": f"http://{host}:{port}{health.http}"}
        return {"kind": "tcp", "host": host, "port": port}

    def _judge(self) -> Callable[[Mapping[str, Any]], Judgement]:
        its = unit_of(self.spec) or str(self.spec.agent)

        def judge(state: Mapping[str, Any]) -> Judgement:
            return both(state, its) if self.both else one(state, its, self.name, self.spec)

        return judge

    def verify(self, ctx: Context) -> Iterable[VerifyStep]:
        """Its page, or its port, through its virtual IP."""
        health, port = health_of(self.spec), self.spec.port
        if self.name not in ctx.vips or port is None:
            return
        address = ctx.vips[self.name]
        if health and health.http:
            scheme = "https" if self.spec.tls else "http"
            url = f"{scheme}://{address}:{port}{health.http}"

            async def page(outside: Outside) -> str:
                return await site.get(outside, url)

            yield VerifyStep(self.name, "get a page", page, 10)
            return

        async def opened(outside: Outside) -> str:
            return await site.connect(address, port)

        yield VerifyStep(self.name, "take a connection", opened, 10)


def both(state: Mapping[str, Any], its: str) -> Judgement:
    """Active/active on one node: it has to run and to work."""
    if not state["active"]:
        why = f" ({state['sub']})" if state["sub"] else ""
        return Judgement(Health.FAILED, f"{its} does not run{why}", f"on it: journalctl -b -u {its}")
    if not state["works"]:
        return Judgement(Health.FAILED, f"{its} runs, but: {state['said']}", f"on it: journalctl -b -u {its}")
    return Judgement(Health.OK, f"{state['said']}, {state['ms']} ms")


def one(state: Mapping[str, Any], its: str, name: str, spec: ServiceSpec) -> Judgement:
    """Active/passive on one node: where it is active it has to work, elsewhere it has to be able to."""
    log = f"on it: journalctl -b -u {its}" if spec.unit else "on it: journalctl -b -u pacemaker"
    look = "if it lasts, on it: crm_mon -1rf"
    if state["active"] and state["vip"] is False:
        said = f"{its} runs here, but the service is not here: it is on its way, or was started by hand"
        return Judgement(Health.DEGRADED, said, f"if it lasts, on it: systemctl stop {its}")
    if state["active"] and not state["works"]:
        return Judgement(
            Health.FAILED, f"active here, but: {state['said']}", f"{log}; or: quorate move {name}"
        )
    if state["active"]:
        return Judgement(Health.OK, f"active here: {state['said']}, {state['ms']} ms")
    if not state["known"]:
        return Judgement(Health.FAILED, f"could not take over: there is no unit {its}", "run: quorate apply")
    if state["device"] is False:
        disk = spec.storage.device if spec.storage else ""
        said = f"could not take over: it does not see the disk {disk}"
        return Judgement(Health.FAILED, said, "connect the storage to it (multipath, iSCSI session, zoning)")
    if state["vip"]:
        return Judgement(Health.FAILED, f"has its virtual IP, but {its} does not run", f"{log}; {look}")
    if state["mounted"]:
        return Judgement(Health.DEGRADED, f"has its storage, but {its} does not run", look)
    return Judgement(Health.OK, "passive, ready")


def _attributes(its: OwnFile) -> dict[str, Any]:
    mode = int(its.mode, 8)
    # What others may not read on the nodes is not shown here either.
    return {"mode": mode, "owner": its.owner, "group": its.group, "secret": not mode & 0o004}


def _tree(top: str, paths: Iterable[str]) -> dict[str, set[str]]:
    """Every folder from ``top`` down to ``paths``, parents first, with what belongs in it."""
    tree: dict[str, set[str]] = {top: set()}
    for path in paths:
        inner = path
        while inner != top:
            folder, base = os.path.split(inner)
            tree.setdefault(folder, set()).add(base)
            inner = folder
    return dict(sorted(tree.items()))


def _text(content: bytes) -> str | bytes:
    """Text where it is text: a plan shows that as a diff."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
