"""Files on a shared storage, which one node at a time has mounted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.resources.base import Resource
from quorate.resources.file import file


def shared_file(
    path: str,
    content: str | bytes,
    mount: str,
    *,
    mode: int = 0o644,
    owner: str = "root",
    group: str = "root",
    after: Sequence[str] = (),
    secret: bool = False,
) -> Resource:
    """A file on a shared storage. Place it on every node that may mount it.

    Only the node that has the storage mounted looks at the file and mends it; on the others there is nothing
    to do. Where nobody has it mounted, it gets there when it is first mounted, by `ocf:quorate:files`.

    Args:
        path: absolute, below ``mount``. Folders on the way are made.
        content: text (UTF-8) or bytes.
        mount: where the storage is mounted.
        mode: permission bits.
        owner: account name.
        group: group name.
        after: ids of resources that have to be right first.
        secret: the content never shows in a plan, log or error.
    """
    plain = file(path, content, mode=mode, owner=owner, group=group, secret=secret)
    args: dict[str, Any] = {**plain.args, "mount": mount, "want": dict(plain.desired)}
    return Resource("shared_file", path, args, {"right": True}, tuple(after), secret=secret)
