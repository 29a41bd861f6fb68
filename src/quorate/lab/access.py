"""How the operator gets into the machines: an SSH key, pinned host keys, BMC passwords."""

from __future__ import annotations

import os
import secrets
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quorate.home import Home
from quorate.lab.hardware import Machine
from quorate.lab.layout import NodeFolder
from quorate.secrets.store import write_private
from quorate.spec.model import Cluster


def _key_pair(path: Path, comment: str) -> str:
    """Make an Ed25519 key pair at ``path``, unless it is there; hand back the public line.

    The private key is never made anew while there is one: machines that exist let it in.
    """
    public = path.with_name(path.name + ".pub")
    if not path.exists():
        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        public.unlink(missing_ok=True)
        write_private(path, private)
    if not public.exists():
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
        line = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        write_private(public, line + f" {comment}\n".encode())
    return public.read_text().strip()


def operator_key(home: Home, cluster: Cluster) -> str:
    """The operator's public key, made on first use where the spec says that it is."""
    return _key_pair(home.path / cluster.ssh.key, f"quorate@{cluster.cluster}")


def bmc_passwords(home: Home, cluster: Cluster) -> None:
    """A password for each BMC that has none yet: 16 hexadecimal digits (IPMI 2.0 allows 20 bytes)."""
    for node in cluster.nodes.values():
        if node.bmc and not (path := home.path / node.bmc.password_file).exists():
            write_private(path, secrets.token_hex(8).encode())


def host_key(folder: NodeFolder) -> str:
    """The machine's public host key, made on first use."""
    return _key_pair(folder.seed / "ssh_host_ed25519_key", f"root@{folder.node}")


def known_hosts(home: Home, cluster: Cluster, keys: dict[str, str]) -> None:
    """Pin the host keys: one line a node, with its name and all its addresses (sshd(8), known_hosts)."""
    lines = []
    for name, node in cluster.nodes.items():
        names = [name, *(str(address) for address in node.addresses.values())]
        if cluster.ssh.port != 22:
            names = [f"[{one}]:{cluster.ssh.port}" for one in names]
        kind, key = keys[name].split()[:2]
        lines.append(f"{','.join(names)} {kind} {key}\n")
    write_private(home.path / cluster.ssh.known_hosts, "".join(lines).encode())


def seed(folder: NodeFolder, machine: Machine, authorized: str, target: Path) -> None:
    """Lay out in ``target`` what a fresh disk holds: the machine's identity, addresses and who may log in.

    Args:
        authorized: the operator's public key line.
    """
    host_key(folder)
    upper = target / "upper"
    (target / "work").mkdir(parents=True)
    private = (folder.seed / "ssh_host_ed25519_key").read_bytes()
    public = (folder.seed / "ssh_host_ed25519_key.pub").read_bytes()
    files: list[tuple[str, bytes, int]] = [
        ("etc/hostname", f"{machine.node}\n".encode(), 0o644),
        ("etc/machine-id", f"{uuid.uuid4().hex}\n".encode(), 0o444),
        ("etc/ssh/ssh_host_ed25519_key", private, 0o600),
        ("etc/ssh/ssh_host_ed25519_key.pub", public, 0o644),
        ("root/.ssh/authorized_keys", f"{authorized}\n".encode(), 0o600),
    ]
    for nic in machine.nics:
        if not nic.kernel:
            continue
        text = (
            f"[Match]\nName={nic.network}\n\n"
            # A pulled cable must not take the address away; nobody waits for a cable at boot.
            "[Link]\nRequiredForOnline=no-carrier\n\n"
            f"[Network]\nAddress={nic.address}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
            "ConfigureWithoutCarrier=yes\nIgnoreCarrierLoss=yes\n"
        )
        files.append((f"etc/systemd/network/10-{nic.network}.network", text.encode(), 0o644))
    for relative, content, mode in files:
        path = upper / relative
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
    (upper / "root").chmod(0o700)
    (upper / "root/.ssh").chmod(0o700)
    upper.chmod(0o755)
    for path in (target, *target.rglob("*")):
        os.chown(path, 0, 0)
