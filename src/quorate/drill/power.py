"""Power through the nodes' BMCs, with ipmitool(1): the same for a machine in a rack and one in a lab."""

from __future__ import annotations

import asyncio
from pathlib import Path

from quorate.errors import DrillError
from quorate.spec.model import Bmc, Cluster

TIMEOUT_S = 15.0


class IpmiPower:
    """Speaks IPMI 2.0 over LAN. The password goes in a file's name (``-f``), never into an argument list.

    Args:
        cluster: whose nodes.
        base: the folder of cluster.yaml, which password files are relative to.
    """

    def __init__(self, cluster: Cluster, base: Path) -> None:
        self._cluster, self._base = cluster, base

    async def is_on(self, node: str) -> bool:
        """Ask for the chassis power status."""
        answer = await self._ask(node, "status")
        if "is on" in answer:
            return True
        if "is off" in answer:
            return False
        raise DrillError("its BMC does not say whether it is on", where=node, evidence=answer)

    async def off(self, node: str) -> None:
        """Hard power off, as if the cable were pulled (IPMI 2.0, 28.3 Chassis Control, power down)."""
        await self._ask(node, "off")

    async def on(self, node: str) -> None:
        """Power up."""
        await self._ask(node, "on")

    async def _ask(self, node: str, action: str) -> str:
        bmc = self._bmc(node)
        argv = (
            *("ipmitool", "-I", "lanplus", "-H", str(bmc.address), "-p", str(bmc.port), "-U", bmc.user),
            *("-C", str(bmc.cipher), "-L", bmc.privilege.upper(), "-f", str(self._base / bmc.password_file)),
            *("-N", "1", "-R", "3", "chassis", "power", action),
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            raise DrillError("ipmitool is not installed here", next_step="apt install ipmitool") from None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                out, err = await process.communicate()
        except TimeoutError:
            what = f"its BMC at {bmc.address} says nothing within {TIMEOUT_S:g} s: chassis power {action}"
            step = f"is it reachable from here? {' '.join((*argv[:-1], 'status'))}"
            raise DrillError(what, where=node, next_step=step) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = (out + err).decode(errors="replace").strip()
        if process.returncode:
            raise DrillError(f"its BMC refuses: chassis power {action}", where=node, evidence=text)
        return text

    def _bmc(self, node: str) -> Bmc:
        bmc = self._cluster.nodes[node].bmc
        if bmc is None:
            raise DrillError("it has no BMC, so nobody can cut its power", where=node)
        return bmc
