"""Every way in which a node cannot be talked to is told apart, against a real SSH server on this host."""

from __future__ import annotations

import asyncio
import shlex
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from quorate.errors import ConnectionLostError, UnreachableError
from quorate.transport.base import Command
from quorate.transport.ssh import SshTransport


class Server:
    """An SSH server that runs what it is told as ourselves; "hang" and "die" are its own words."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.said: list[str] = []
        self.connections: list[asyncssh.SSHServerConnection] = []

    async def start(self) -> asyncssh.SSHAcceptor:
        host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        user.write_private_key(self.folder / "key")
        user.write_public_key(self.folder / "authorized")
        acceptor = await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[host], authorized_client_keys=str(self.folder / "authorized"),
            process_factory=self.serve, encoding=None,
        )  # fmt: skip
        self.port = acceptor.sockets[0].getsockname()[1]
        public = host.export_public_key().decode().strip()
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {public}\n")
        return acceptor

    async def serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        words = process.command or ""
        self.said.append(words)
        if "die" in words:
            process.channel.get_connection().abort()
            return
        if "hang" in words:
            await asyncio.Event().wait()
        local = await asyncio.create_subprocess_exec(
            *shlex.split(words), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await local.communicate(await process.stdin.read())
        process.stdout.write(out)
        process.stderr.write(err)
        process.exit(local.returncode or 0)

    def transport(self, **more: object) -> SshTransport:
        given = {"port": self.port, "key": self.folder / "key", "known_hosts": self.folder / "known", **more}
        return SshTransport("c1", "127.0.0.1", **given)  # type: ignore[arg-type]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A running server."""
    made = Server(tmp_path)
    acceptor = await made.start()
    yield made
    acceptor.close()


async def test_a_command_gets_its_input_and_says_its_lines_as_they_come(server: Server) -> None:
    lines: list[bytes] = []
    transport = server.transport()
    done = await transport.run(Command(("cat",), b"one\ntwo\n", on_line=lines.append))
    assert (done.exit, done.stdout, lines) == (0, b"one\ntwo\n", [b"one\n", b"two\n"])
    done = await transport.run(Command(("sh", "-c", "echo 'a  b' >&2; exit 3")))
    assert (done.exit, done.stderr) == (3, b"a  b\n")
    await transport.close()
    await transport.close()


async def test_a_program_is_fed_while_it_runs(server: Server) -> None:
    more: asyncio.Queue[bytes] = asyncio.Queue()
    transport = server.transport()
    running = asyncio.create_task(transport.run(Command(("cat",), b"one\n", feed=more.get)))
    for line in (b"two\n", b"three\n", b""):
        await more.put(line)
    assert (await running).stdout == b"one\ntwo\nthree\n"
    await transport.close()
    assert (await transport.run(Command(("true",)))).exit == 0, "closed is not the end"
    await transport.close()


async def test_who_is_not_root_asks_sudo(server: Server) -> None:
    transport = server.transport(user="admin")
    with pytest.raises(ConnectionLostError):
        await transport.run(Command(("hang",), timeout_s=0.2))
    assert server.said == ["sudo -n -- hang"]
    await transport.close()


async def test_a_timeout_after_sending_is_unknown_and_the_connection_stays(server: Server) -> None:
    transport = server.transport()
    begun = time.monotonic()
    with pytest.raises(ConnectionLostError, match="did not end within"):
        await transport.run(Command(("hang",), timeout_s=0.2))
    assert time.monotonic() - begun < 1.5
    assert (await transport.run(Command(("echo", "hi")))).stdout == b"hi\n"
    await transport.close()


async def test_a_connection_that_dies_is_unknown_and_the_next_command_makes_a_new_one(server: Server) -> None:
    transport = server.transport()
    with pytest.raises(ConnectionLostError, match="unknown"):
        await transport.run(Command(("die",)))
    assert (await transport.run(Command(("echo", "hi")))).stdout == b"hi\n"
    await transport.close()


async def refused(transport: SshTransport) -> str:
    with pytest.raises(UnreachableError) as caught:
        await transport.run(Command(("true",)))
    assert caught.value.next_step and "c1" in str(caught.value)
    return caught.value.what


async def test_nothing_listens(server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "connected" in await refused(server.transport(port=free.getsockname()[1]))


async def test_nobody_answers(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        transport = server.transport(port=mute.getsockname()[1], connect_timeout_s=0.3)
        assert "0.3 s" in await refused(transport)


async def test_another_host_key_is_never_accepted(server: Server, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    pinned = tmp_path / "other"
    pinned.write_text(f"[127.0.0.1]:{server.port} {other}")
    assert "host key" in await refused(server.transport(known_hosts=pinned))
    pinned.write_text("")
    assert "host key" in await refused(server.transport(known_hosts=pinned))
    assert not server.said


async def test_a_key_that_is_not_let_in(server: Server, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "stranger")
    assert "let root in" in await refused(server.transport(key=tmp_path / "stranger"))


@pytest.mark.parametrize("missing", ["key", "known_hosts"])
async def test_a_file_that_is_missing(server: Server, tmp_path: Path, missing: str) -> None:
    assert "no-such" in await refused(server.transport(**{missing: tmp_path / "no-such"}))


async def test_a_key_that_is_no_key(server: Server, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("nonsense")
    assert "cannot be used" in await refused(server.transport(key=tmp_path / "bad"))
