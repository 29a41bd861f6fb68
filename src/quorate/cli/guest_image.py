"""``quorate guest-image``: the small image that ``verify`` boots as a tenant's server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from quorate.cli.common import ProgressListener, emit, json_option
from quorate.errors import UsageError
from quorate.events import Listener
from quorate.home import state_root

if TYPE_CHECKING:
    from quorate.lab.aptsources import Mirror


def ensure(
    listener: Listener, form: str = "qcow2", mirror: str | None = None, security_mirror: str | None = None
) -> Path:
    """The path of the guest image, built first where this host does not have it.

    Args:
        listener: is told how the building goes.
        form: ``qcow2`` or ``raw``.
        mirror: Debian archive to build from; None: this machine's own.
        security_mirror: its security archive; None: follows from ``mirror``.

    Raises:
        PreconditionError, LabError: it has to be built, and cannot be.
    """
    from quorate.lab.guest import build
    from quorate.lab.guest.store import GuestStore

    return build.ensure(GuestStore(state_root()), lambda: _source(mirror, security_mirror), listener, form)


def _source(mirror: str | None, security_mirror: str | None) -> Mirror:
    from quorate.lab import aptsources

    return aptsources.given(mirror, security_mirror) if mirror else aptsources.of_host()


@click.command("guest-image")
@click.option("--path", "only_path", is_flag=True, help="Print only the path.")
@click.option("--raw", is_flag=True, help="The raw form instead of qcow2: what Ceph can clone.")
@click.option("--try", "try_out", is_flag=True, help="Boot it in QEMU, wait for its answer, switch it off.")
@click.option("--mirror", metavar="URL", help="Debian archive to build from. Default: this machine's own.")
@click.option(
    "--security-mirror", metavar="URL", help="Its security archive. Default: follows from --mirror."
)
@json_option
def guest_image(
    only_path: bool, raw: bool, try_out: bool, mirror: str | None, security_mirror: str | None, as_json: bool
) -> None:
    """Say where the small bootable image is that verify uses, and build it where there is none yet.

    \b
    openstack image create --disk-format qcow2 --file $(quorate guest-image --path) guest
    """
    if only_path and (as_json or try_out):
        raise UsageError("--path prints nothing but the path, so it goes neither with --json nor with --try")
    with ProgressListener() as listener:
        path = ensure(listener, "raw" if raw else "qcow2", mirror, security_mirror)
        if only_path:
            emit(str(path), False)
            return
        from quorate.lab.guest import store, trial

        found = store.describe(path)
        if try_out:
            kept = store.GuestStore(state_root())
            found |= trial.trial(path, kept, _source(mirror, security_mirror), listener).as_json()
    if as_json:
        emit(found, True)
    else:
        emit([f"{name.replace('_', ' '):15} {value}" for name, value in found.items()], False)


commands = [guest_image]
