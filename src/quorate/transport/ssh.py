"""Nodes reached over SSH: one connection each, made when first needed, host keys pinned, waits bounded."""

from __future__ import annotations

import asyncio
import shlex
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import asyncssh

from quorate.errors import ConnectionLostError, UnreachableError
from quorate.spec.model import Cluster
from quorate.transport.base import Command, Completed

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S, KEEPALIVE_COUNT = 2, 3
"""A silent node is given up after 2 s x 3 (the numbers that ssh_config(5) calls ServerAlive…)."""
SESSIONS = 8
"""Commands at once on one connection; sshd_config(5) allows 10 by default (MaxSessions)."""


class SshTransport:
    """One node.

    Args:
        node: its name.
        address: where its sshd listens.
        port: of its sshd.
        user: who we are there; where that is not root, commands go through ``sudo -n``.
        key: our private key file.
        known_hosts: the pinned host keys. A host that is not in it is refused.
        connect_timeout_s: for the connection, the key exchange and the login together.
    """

    def __init__(
        self,
        node: str,
        address: str,
        *,
        port: int = 22,
        user: str = "root",
        key: Path,
        known_hosts: Path,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self.node, self.address, self.port, self.user = node, address, port, user
        self.key, self.known_hosts, self.connect_timeout_s = key, known_hosts, connect_timeout_s
        self._connection: asyncssh.SSHClientConnection | None = None
        self._connecting = asyncio.Lock()
        self._sessions = asyncio.Semaphore(SESSIONS)

    async def run(self, command: Command) -> Completed:
        """Run ``command`` on the node, at most for its own timeout. Raises as `Transport.run` says."""
        argv = command.argv if self.user == "root" else ("sudo", "-n", "--", *command.argv)
        async with self._sessions:
            connection = await self._connected()
            try:
                async with asyncio.timeout(command.timeout_s):
                    return await self._run(connection, shlex.join(argv), command)
            except asyncssh.ChannelOpenError as error:
                self._drop()
                raise self._unreachable(f"it refuses a session: {error.reason}") from None
            except TimeoutError:
                what = f"{argv[0]} did not end within {command.timeout_s:g} s; its outcome is unknown"
                raise ConnectionLostError(what, where=self.node, next_step=AGAIN) from None
            except (asyncssh.Error, OSError) as error:
                self._drop()
                what = f"the connection died while {argv[0]} ran; its outcome is unknown"
                raise ConnectionLostError(
                    what, where=self.node, evidence=str(error), next_step=AGAIN
                ) from None

    async def close(self) -> None:
        """Let the connection go."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await connection.wait_closed()

    async def _run(self, connection: asyncssh.SSHClientConnection, text: str, command: Command) -> Completed:
        process = await connection.create_process(text, encoding=None)
        try:
            reading = asyncio.ensure_future(_lines(process.stdout, command))
            errors = asyncio.ensure_future(process.stderr.read())
            feeding = asyncio.ensure_future(_feed(process.stdin, command))
            try:
                out, err = await asyncio.gather(reading, errors)
            finally:
                reading.cancel()
                errors.cancel()
                feeding.cancel()
            await process.wait_closed()
        finally:
            process.close()
        if process.exit_status is None and process.exit_signal is None:
            raise asyncssh.ConnectionLost("it ended without saying how")
        signalled = process.exit_status is None or process.exit_status < 0
        return Completed(128 if signalled else int(process.exit_status or 0), out, err)

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._connecting:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        for path, what in ((self.key, "private key"), (self.known_hosts, "file of pinned host keys")):
            if not path.exists():
                raise self._unreachable(
                    f"there is no {what} at {path}", "put it there, or name it under `ssh:`"
                )
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                connection = await asyncssh.connect(
                    self.address, self.port, username=self.user, client_keys=[str(self.key)], agent_path=None,
                    known_hosts=str(self.known_hosts), config=None, keepalive_interval=KEEPALIVE_S,
                    keepalive_count_max=KEEPALIVE_COUNT, compression_algs=None, gss_host=None,
                )  # fmt: skip
        except TimeoutError:
            what = f"no answer within {self.connect_timeout_s:g} s"
            raise self._unreachable(what, "is it powered on, and on the network?") from None
        except asyncssh.HostKeyNotVerifiable as error:
            scan = f"ssh-keyscan -p {self.port} {self.address}"
            step = f"compare its key with `{scan}`, and if it is right, pin it in {self.known_hosts}"
            raise self._unreachable("its host key is not the pinned one", step, str(error)) from None
        except asyncssh.PermissionDenied as error:
            step = f"put the public half of {self.key} into {self.user}'s authorized_keys there"
            raise self._unreachable(
                f"it does not let {self.user} in with our key", step, str(error)
            ) from None
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise self._unreachable(
                f"{self.key} cannot be used", "it must be a key without pass phrase", str(error)
            ) from None
        except (OSError, asyncssh.Error) as error:
            step = "is it powered on, and does sshd run there?"
            raise self._unreachable("it cannot be connected to", step, str(error)) from None
        plain = connection.get_extra_info("socket")
        if isinstance(plain, socket.socket) or hasattr(plain, "setsockopt"):
            limit_ms = KEEPALIVE_S * KEEPALIVE_COUNT * 1000
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _unreachable(self, why: str, next_step: str = "", evidence: str = "") -> UnreachableError:
        where = f"{self.node} ({self.address} port {self.port})"
        return UnreachableError(why, where=where, evidence=evidence, next_step=next_step)


AGAIN = "run it again: it looks at the node first and carries on from there"


async def _feed(stream: asyncssh.SSHWriter[bytes], command: Command) -> None:
    # It may end without having read anything. What became of it, its exit status says.
    with suppress(OSError):
        stream.write(command.stdin)
        while command.feed is not None and (more := await command.feed()):
            stream.write(more)
        stream.write_eof()


async def _lines(stream: asyncssh.SSHReader[bytes], command: Command) -> bytes:
    if command.on_line is None:
        return await stream.read()
    seen = []
    while line := await stream.readline():
        seen.append(line)
        command.on_line(line)
    return b"".join(seen)


class SshPool:
    """All nodes of a cluster: call it with a node's name to get its transport. Leaving it closes them all."""

    def __init__(self, cluster: Cluster, base: Path, *, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self.cluster, self.base, self.connect_timeout_s = cluster, base, connect_timeout_s
        self._transports: dict[str, SshTransport] = {}

    def __call__(self, node: str) -> SshTransport:
        """The transport of ``node``; the same one every time."""
        if node not in self._transports:
            ssh = self.cluster.ssh
            self._transports[node] = SshTransport(
                node, self.cluster.address(node), port=ssh.port, user=ssh.user, key=self.base / ssh.key,
                known_hosts=self.base / ssh.known_hosts, connect_timeout_s=self.connect_timeout_s,
            )  # fmt: skip
        return self._transports[node]

    async def __aenter__(self) -> SshPool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(transport.close() for transport in self._transports.values()))


def connector(cluster: Cluster, spec_path: Path, *, connect_timeout_s: float = CONNECT_TIMEOUT_S) -> SshPool:
    """How to reach the nodes of ``cluster``: ``async with connector(cluster, path) as connect: …``.

    Args:
        cluster: whose nodes.
        spec_path: the cluster.yaml that ``ssh:`` paths are relative to.
        connect_timeout_s: for one connection.
    """
    return SshPool(cluster, spec_path.resolve().parent, connect_timeout_s=connect_timeout_s)
