"""Kernel settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quorate.resources.base import Resource


def sysctl(
    settings: Mapping[str, str | int],
    *,
    name: str = "quorate",
    optional: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Resource:
    """Kernel settings, now and after a reboot (``/etc/sysctl.d/90-<name>.conf``).

    Args:
        settings: dotted key to value.
        name: of the file; unique on its node.
        optional: keys that a node's kernel may lack or may not let anybody change; they are written to the
            file, and set where they can be.
        after: ids of resources that have to be right first.
    """
    wanted = {key: str(value) for key, value in settings.items()}
    args = {"file": f"/etc/sysctl.d/90-{name}.conf", "settings": wanted, "optional": sorted(optional)}
    return Resource("sysctl", name, args, {"wrong": {}, "kept": True}, tuple(after))
