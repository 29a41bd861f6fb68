"""From nothing, or from anything in between, to machines that answer over SSH, with BMCs that answer too."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from quorate.errors import LabError, UsageError
from quorate.events import Event, Kind, Listener
from quorate.home import Home
from quorate.lab import access, bmcs, define, ext4, hardware, network, power, shared_disks
from quorate.lab.hardware import Machine
from quorate.lab.layout import LabFolder, NodeFolder
from quorate.spec.model import Cluster

BOOT_DEADLINE_S = 90.0
"""Three machines answer within ten seconds on two idle cores; this is for busy ones."""


def in_parallel(work: Callable[[NodeFolder], None], folders: Iterable[NodeFolder]) -> None:
    """Do ``work`` for every machine at once, wait for all, then raise the first error."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        futures = [pool.submit(work, folder) for folder in folders]
    for future in futures:
        future.result()


def define_all(
    lab: LabFolder, cluster: Cluster, home: Home, images: Mapping[str, str], listener: Listener
) -> None:
    """Make what every machine of ``cluster`` needs before it can start: keys, definition, disk, networks.

    Args:
        images: node to the key of its image, for new machines; those that exist keep theirs.

    Raises:
        LabError: something could not be made; running again carries on.
        UsageError: a machine exists that the spec describes differently; nothing was changed.
    """
    check_same(lab, cluster, home)
    lab.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    authorized = access.operator_key(home, cluster)
    access.bmc_passwords(home, cluster)
    wanted = define.machines(lab.name, cluster, images, home.path)
    shared_disks.make(lab, wanted.values())
    in_parallel(lambda folder: make(folder, wanted[folder.node], authorized), map(lab.node, wanted))
    access.known_hosts(home, cluster, {name: access.host_key(lab.node(name)) for name in wanted})
    networks(lab, cluster, listener)


def check_same(lab: LabFolder, cluster: Cluster, home: Home) -> None:
    """Raise UsageError where a machine exists that ``cluster`` describes differently."""
    for name, machine in define.machines(
        lab.name, cluster, dict.fromkeys(cluster.nodes, ""), home.path
    ).items():
        folder = lab.node(name)
        if folder.machine.exists() and replace(hardware.load(folder), image="") != machine:
            raise UsageError(
                f"the node {name} exists in the lab {lab.name}, but not as the spec describes it",
                next_step=f"./quorate lab down --name {lab.name}, then up again",
            )


def make(folder: NodeFolder, machine: Machine, authorized: str) -> None:
    """Make the machine's definition and disk, unless they are there. Raises LabError."""
    if folder.machine.exists() and folder.disk.exists():
        return
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.path, prefix=".seed-"))
    try:
        access.seed(folder, machine, authorized, temporary)
        ext4.make(folder.disk, machine.disk_mib, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    whole = folder.machine.with_suffix(".new")
    whole.write_text(machine.to_json())
    whole.rename(folder.machine)


def networks(lab: LabFolder, cluster: Cluster, listener: Listener) -> None:
    """Make the lab's bridges, with this host's addresses in them: its own and the BMCs'."""
    if network.bridge_filter_off():
        text = "set net.bridge.bridge-nf-call-iptables to 0: the host's packet filter would judge frames"
        listener(Event(Kind.NOTE, "network", text))
    for name, net in cluster.networks.items():
        network.ensure_bridge(lab.name, name, net.cidr, define.bmc_addresses(cluster, name))


def start(folders: list[NodeFolder], listener: Listener) -> None:
    """Start BMCs and machines that do not run, and return once all of them answer.

    Raises:
        LabError: one did not, with the end of its console.
    """
    definitions = {folder: hardware.load(folder) for folder in folders}
    started = time.monotonic()
    booting = [folder for folder in folders if not power.is_on(folder)]
    for folder in booting:
        listener(Event(Kind.STARTED, f"machine {folder.node}", "booting"))

    def switch_on(folder: NodeFolder) -> None:
        power.on(folder)
        bmcs.start(folder, definitions[folder])

    in_parallel(switch_on, folders)
    waiting = dict(definitions)
    deadline = started + BOOT_DEADLINE_S
    while waiting:
        for folder, machine in list(waiting.items()):
            if answers_ssh(machine):
                del waiting[folder]
                if folder in booting:
                    text = f"answers over SSH after {time.monotonic() - started:.1f} s"
                    listener(Event(Kind.DONE, f"machine {folder.node}", text))
            elif not power.is_on(folder):
                raise _silent(folder, "went off while booting", listener)
            elif time.monotonic() > deadline:
                raise _silent(folder, f"does not answer over SSH within {BOOT_DEADLINE_S:g} s", listener)
        if waiting:
            time.sleep(0.05)


def answers_ssh(machine: Machine, timeout_s: float = 1.0) -> bool:
    """Whether the machine's SSH server says its name (RFC 4253, 4.2)."""
    # Open vSwitch has the others, and no address before it has been set up.
    address = next(nic for nic in machine.nics if nic.kernel).address.partition("/")[0]
    try:
        with socket.create_connection((address, 22), timeout=timeout_s) as client:
            answered = client.recv(4) == b"SSH-"
            client.sendall(b"SSH-2.0-quorate\r\n")  # said and left: no error in the machine's journal
            return answered
    except OSError:
        return False


def _silent(folder: NodeFolder, what: str, listener: Listener) -> LabError:
    listener(Event(Kind.FAILED, f"machine {folder.node}", what))
    lines = folder.console.read_text(errors="replace").splitlines() if folder.console.exists() else []
    return LabError(
        f"{folder.node} {what}",
        where=str(folder.console),
        evidence="\n".join(lines[-8:]),
        next_step=f"./quorate lab logs {folder.node} --name {folder.lab}",
    )
