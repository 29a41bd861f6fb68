"""Whether a service reaches its pool of the storage cluster from a node: asked with its own key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from quorate.services.base import Health, HealthProbe, Judgement, Pool

TIMEOUT_S = 2.0
"""For each of connecting and reading: a healthy cluster takes some hundredths of a second."""


def probe(service: str, node: str, pool: Pool, *, use: str) -> HealthProbe:
    """Reads a small object of ``pool`` on ``node``.

    Args:
        service: whose pool it is.
        node: a node that has the pool's client's keyring.
        pool: as the service offers it.
        use: what cannot be done without it ("images can be neither stored nor read").
    """
    args = {"pool": pool.name, "client": pool.client, "timeout_s": TIMEOUT_S}
    return HealthProbe(service, node, "ceph_pool", args, partial(judge, pool=pool.name, use=use))


def judge(state: Mapping[str, Any], *, pool: str, use: str) -> Judgement:
    """OK where the pool was read. Arguments as for `probe`; the state is that of `node.ceph_pool`."""
    if not state["error"]:
        return Judgement(Health.OK, f"reads its pool {pool}")
    said = f"the pool {pool} cannot be read, so {use}: {state['error']}"
    return Judgement(
        Health.FAILED, said, "look at ceph first: quorate status; if that is well: ceph health detail"
    )
