"""What libvirt calls the keys that guests' disks are opened with: the same on every compute node."""

from __future__ import annotations

import uuid

from quorate.secrets.store import Secrets
from quorate.services.storage import layout


def secret_uuid(secrets: Secrets, client: str) -> str:
    """The id of libvirt's secret with the key of ``client`` (a pool's client, without "client.").

    It never changes: made from the storage cluster's own id and the client's name (RFC 9562, version 5).
    Every compute node has one for each client whose pools hold guests' disks; who hands out such disks
    (Cinder's ``rbd_secret_uuid``) says it by this id.
    """
    return str(uuid.uuid5(uuid.UUID(layout.fsid(secrets)), f"client.{client}"))
