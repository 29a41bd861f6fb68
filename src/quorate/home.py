"""Where quorate keeps what belongs to one cluster: spec, secrets, certificates, keys, drill histories."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def state_root() -> Path:
    """The folder of all clusters: $QUORATE_STATE, or /var/lib/quorate."""
    return Path(os.environ.get("QUORATE_STATE", "/var/lib/quorate"))


@dataclass(frozen=True)
class Home:
    """One cluster's folder, mode 0700: ``<state root>/clusters/<name>``."""

    path: Path

    @classmethod
    def of(cls, name: str, root: Path | None = None) -> Home:
        """The folder of the cluster ``name``; it need not exist yet."""
        return cls((root or state_root()) / "clusters" / name)

    @property
    def spec(self) -> Path:
        """cluster.yaml as last applied or made by the lab."""
        return self.path / "cluster.yaml"

    @property
    def secrets(self) -> Path:
        """One file a secret, 0600."""
        return self.path / "secrets"

    @property
    def pki(self) -> Path:
        """The cluster's certificate authority and what it signed."""
        return self.path / "pki"

    @property
    def ca_file(self) -> Path:
        """The CA certificate that clients have to trust."""
        return self.pki / "ca.crt"

    @property
    def ssh(self) -> Path:
        """The operator's key pair and the pinned host keys."""
        return self.path / "ssh"

    @property
    def clouds(self) -> Path:
        """clouds.yaml for the ``openstack`` client."""
        return self.path / "clouds.yaml"

    @property
    def history(self) -> Path:
        """Drill histories, a folder a run."""
        return self.path / "history"

    def create(self) -> None:
        """Make the folder, 0700. Harmless when it is there."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
