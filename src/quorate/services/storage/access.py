"""The accounts of the storage cluster: daemons, the administrator, the services' clients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from quorate.errors import SpecError
from quorate.services.base import Pool

ADMIN, OWN = "admin", "quorate"
"""The client that may do all, and the one of health looks and of verify, with a pool of its own."""
ETC = "/etc/ceph"


@dataclass(frozen=True)
class Entity:
    """An account, as a keyring has it ("client.glance")."""

    name: str
    key: str = field(repr=False)
    caps: Mapping[str, str] = field(default_factory=dict)

    @property
    def keyring(self) -> str:
        """With capabilities: for the monitors."""
        caps = "".join(f'\tcaps {what} = "{allowed}"\n' for what, allowed in sorted(self.caps.items()))
        return f"[{self.name}]\n\tkey = {self.key}\n{caps}"

    @property
    def own_keyring(self) -> str:
        """Without them: for whoever logs in with it."""
        return f"[{self.name}]\n\tkey = {self.key}\n"


@dataclass(frozen=True)
class Client:
    """A service's client: its pools, the group that may read its key, and where that is."""

    name: str
    pools: tuple[Pool, ...]

    @property
    def owner(self) -> str:
        """The group on the nodes."""
        return self.pools[0].owner

    @property
    def on_computes(self) -> bool:
        """Whether compute nodes have its keyring."""
        return any(pool.computes for pool in self.pools)

    @property
    def path(self) -> str:
        """Its keyring on the nodes, where librados looks for it."""
        return keyring_path(self.name)

    @property
    def caps(self) -> dict[str, str]:
        """Block devices in its pools and nothing else ("profile rbd", Ceph's manual, User Management)."""
        allowed = ", ".join(
            f"profile {'rbd-read-only' if pool.read_only else 'rbd'} pool={pool.name}"
            for pool in sorted(self.pools, key=lambda pool: pool.name)
        )
        manager = ", ".join(
            f"profile rbd pool={pool.name}"
            for pool in sorted(self.pools, key=lambda pool: pool.name)
            if not pool.read_only
        )
        return {"mon": "profile rbd", "osd": allowed} | ({"mgr": manager} if manager else {})


def keyring_path(client: str) -> str:
    """Where librados looks for the key of ``client``."""
    return f"{ETC}/ceph.client.{client}.keyring"


def clients(pools: Iterable[Pool]) -> tuple[Client, ...]:
    """The services' clients, by name.

    Raises:
        SpecError: two services want one client and cannot agree who may read its key, or use the name of one
            of Ceph's own.
    """
    by_name: dict[str, list[Pool]] = {}
    for pool in pools:
        by_name.setdefault(pool.client, []).append(pool)
    findings = [
        f"the storage client {name}: its keyring cannot be for the groups "
        + " and ".join(sorted({pool.owner for pool in mine}))
        for name, mine in by_name.items()
        if len({pool.owner for pool in mine}) > 1
    ]
    findings += [f"the storage client {name}: this name is taken" for name in by_name if name in (ADMIN, OWN)]
    if findings:
        raise SpecError("the storage cluster's accounts cannot be made", tuple(findings))
    return tuple(Client(name, tuple(mine)) for name, mine in sorted(by_name.items()))


def pools(wanted: Iterable[Pool]) -> dict[str, dict[str, object]]:
    """Every pool that there should be, by name: its placement groups and what it is for."""
    found: dict[str, dict[str, object]] = {OWN: {"pg_num": 8, "application": OWN}}
    sizes: dict[str, int] = {}
    for pool in wanted:
        sizes[pool.name] = max(pool.pg_num, sizes.get(pool.name, 0))
    return found | {name: {"pg_num": size, "application": "rbd"} for name, size in sorted(sizes.items())}


def administration(key: Mapping[str, str], managers: Sequence[str]) -> tuple[Entity, ...]:
    """Ceph's own accounts and ours. ``key``: by entity name."""
    everything = dict.fromkeys(("mds", "mgr", "mon", "osd"), "allow *")
    manager = {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"}
    own = {"mon": "allow r", "mgr": "allow r", "osd": f"allow rw pool={OWN}"}
    return (
        Entity(f"client.{ADMIN}", key[ADMIN], everything),
        *(Entity(f"mgr.{node}", key[f"mgr.{node}"], manager) for node in managers),
        Entity(f"client.{OWN}", key[OWN], own),
    )
