"""Bring a lab back from a snapshot, whether it runs, is broken, or is not there at all."""

from __future__ import annotations

import time

from quorate.events import Event, Kind, Listener
from quorate.home import Home
from quorate.lab import lower, raise_machines, setup, snapshots
from quorate.lab.layout import LabFolder
from quorate.lab.snapshots import Snapshot


def restore(lab: LabFolder, name: str, listener: Listener) -> None:
    """Power everything off, put disks and keys back, make the networks, power everything on.

    Args:
        name: of the snapshot.

    Raises:
        UsageError: there is no such snapshot, or the name is that of a cluster on other hosts.
        PreconditionError: its addresses are in use on this host by now.
        LabError: its image is gone, or something could not be stopped, copied or started (run it again).
    """
    snapshot = Snapshot.of(lab.root, lab.name, name)
    snapshots.check(snapshot, lab)
    setup.own(Home.of(lab.name, lab.root))
    started = time.monotonic()
    subject = f"restore {name}"
    listener(Event(Kind.STARTED, subject, f"bringing {lab.name} back"))
    cluster = setup.read(Home(snapshot.home).spec)
    with setup.choosing(lab.root):
        setup.check_free(lab.root, lab.name, cluster)
        if found := lower.find(lab.root).get(lab.name):
            lower.halt(lab.root, found)
            lower.clear_networks(found)
        snapshots.put_back(snapshot, lab, listener)
        raise_machines.networks(lab, cluster, listener)
    raise_machines.start(snapshots.nodes_of(snapshot, lab), listener)
    listener(Event(Kind.DONE, subject, f"every machine answers after {time.monotonic() - started:.1f} s"))
