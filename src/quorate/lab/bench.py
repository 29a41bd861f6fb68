"""The hand outside the nodes of a lab, as drills want one (`quorate.drill.contract.Bench`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from quorate.errors import UsageError
from quorate.lab import behaviour, hardware, healer, links, power, shared_disks
from quorate.lab.cgroup import Group
from quorate.lab.define import network_of
from quorate.lab.hardware import SharedDisk
from quorate.lab.layout import LabFolder, NodeFolder
from quorate.lab.links import Fault, Faulty
from quorate.spec.model import Cluster


def is_lab(lab: LabFolder, cluster: Cluster) -> bool:
    """Whether the machines of ``cluster`` are those of ``lab`` on this host."""
    return {folder.node for folder in lab.nodes()} == set(cluster.nodes)


class LabBench:
    """Works the machines of a lab from the host. See `quorate.drill.contract.Bench`.

    Args:
        lab: whose machines.
        cluster: what they are.
    """

    def __init__(self, lab: LabFolder, cluster: Cluster) -> None:
        self._lab, self._cluster = lab, cluster
        self._disks: dict[str, Sequence[SharedDisk]] = {}

    def _folder(self, node: str) -> NodeFolder:
        return self._lab.node(node)

    def _group(self, node: str) -> Group:
        return Group.of(self._lab.name, node)

    async def freeze(self, node: str) -> None:
        """Freeze its control group. The host's own work for it (writing back its pages) goes on."""
        await asyncio.to_thread(self._group(node).freeze)

    async def isolate(self, node: str, network: str = "") -> tuple[str, ...]:
        """Cut its link in ``network``, or in every network but its BMC's."""
        spec = self._cluster.nodes[node]
        kept = network_of(self._cluster, str(spec.bmc.address)) if spec.bmc else None
        cut = tuple(one for one in spec.addresses if one == network or (not network and one != kept))
        if network == kept or (network and not cut):
            raise UsageError(f"{node} has no network {network!r} that can be cut without cutting off its BMC")
        if not cut:
            raise UsageError(f"{node} has no network but its BMC's: there is nothing to cut")
        for one in cut:
            await asyncio.to_thread(links.put, self._lab, Faulty(node, one, Fault.CUT))
        return cut

    async def bmc(self, node: str, behaviour_: str) -> None:
        """See `quorate.lab.behaviour`."""
        behaviour.write(self._folder(node), behaviour.parse(behaviour_))

    async def cut_power(self, node: str) -> None:
        """Its power switch itself."""
        await asyncio.to_thread(power.off, self._folder(node))

    async def mend(self, node: str) -> None:
        """Everything that this class can break."""
        await asyncio.to_thread(healer.mend, self._folder(node))

    async def broken(self, node: str) -> tuple[str, ...]:
        """What is broken from outside."""
        return await asyncio.to_thread(healer.broken, self._folder(node))

    async def arm(self, node: str, run: str, after_s: float) -> str:
        """A process of its own that mends it."""
        await asyncio.to_thread(healer.arm, self._folder(node), run, after_s)
        return f"a process of its own mends {node} after {after_s:g} s"

    async def disarm(self, node: str, run: str) -> None:
        """Call it off."""
        healer.disarm(self._folder(node), run)

    def boot(self, node: str) -> str:
        """Its control group is made at each power on: the number of its inode, while anything lives in it."""
        group = self._group(node)
        try:
            return str(group.path.stat().st_ino) if group.alive() else ""
        except OSError:
            return ""

    def mounts(self, node: str) -> frozenset[str]:
        """Those that the kernel has a file system of, in whatever mount namespace of the machine."""
        names = {shared_disks.file_name(disk.device): disk.device for disk in self._shared(node)}
        return frozenset(
            names[path.name]
            for loop, path in shared_disks.attached(self._folder(node)).items()
            if path.name in names and (shared_disks.MOUNTED / loop).exists()
        )

    def _shared(self, node: str) -> Sequence[SharedDisk]:
        if node not in self._disks:
            self._disks[node] = hardware.load(self._folder(node)).shared
        return self._disks[node]
