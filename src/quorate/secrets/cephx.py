"""Ceph's keys: made here, once, so that every node is handed the same ones and a client can be given its own.

A key is 16 random bytes for AES-128 with a head: type, time of making, length, little-endian (Ceph's
``CryptoKey::encode``, src/auth/Crypto.cc). The time is left at 0, so that the same bytes always give the same
text.
"""

from __future__ import annotations

import base64
import struct

from quorate.secrets.store import Secret, Secrets

AES, SIZE = 1, 16


def key(secrets: Secrets, entity: str) -> Secret:
    """The key of ``entity`` ("glance", "mon"), as a keyring, and libvirt's secret, hold it: 40 letters.

    It is made from the random bytes ``ceph-<entity>`` of the cluster's secrets.
    """
    raw = secrets.key(f"ceph-{entity}", SIZE)
    return Secret(base64.b64encode(struct.pack("<HIIH", AES, 0, 0, len(raw)) + raw).decode())
