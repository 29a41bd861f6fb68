"""A small program of quorate's own that runs on a node for good, as a unit of systemd."""

from __future__ import annotations

from collections.abc import Iterable

from quorate.resources.base import Placed, Stage
from quorate.resources.file import directory, file
from quorate.resources.unit import unit

FOLDER = "/usr/local/lib/quorate"


def watcher(node: str, name: str, program: str, script: str, service: str) -> Iterable[Placed]:
    """Its files, before the cluster's resources; and that it runs, once those are there.

    Args:
        node: where.
        name: of the unit, with its suffix.
        program: the path of the script, in :data:`FOLDER`.
        script: its text, for bash.
        service: the text of the unit's file.
    """
    own = file(program, script, mode=0o755, validate=("bash", "-n", "{}"), after=(f"directory:{FOLDER}",))
    path = f"/etc/systemd/system/{name}"
    for resource in (directory(FOLDER), own, file(path, service, after=(own.id,))):
        yield Placed(Stage.CONFIG, node, resource)
    runs = unit(name, enabled=True, active=True, read=True, restart_on=(program, path))
    yield Placed(Stage.CLUSTER, node, runs)
