"""What a drill is handed beside the nodes: a hand outside them where there is one, the other commands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.cli.common import Target
from quorate.events import Listener, silent
from quorate.home import state_root

if TYPE_CHECKING:
    from quorate.lab.bench import LabBench


def bench_of(target: Target) -> LabBench | None:
    """The hand outside the nodes, where the cluster's machines are a lab's on this host, and we are root."""
    from quorate.lab.bench import LabBench, is_lab
    from quorate.lab.layout import LabFolder

    lab = LabFolder(state_root(), target.cluster.cluster)
    if os.geteuid() != 0 or target.home.spec.is_symlink() or not is_lab(lab, target.cluster):
        return None
    return LabBench(lab, target.cluster)


@dataclass(frozen=True)
class Commands:
    """`quorate.drill.contract.Operator` by the tool's own operations."""

    target: Target
    listener: Listener = silent

    async def guest_image(self) -> str:
        """``quorate guest-image --raw --path``."""
        import asyncio

        from quorate.cli.guest_image import ensure

        return str(await asyncio.to_thread(ensure, self.listener, "raw"))

    async def problems(self) -> Sequence[Mapping[str, str]]:
        """What ``quorate status`` says is wrong."""
        from quorate.operations.status import status
        from quorate.operations.survey import CONNECT_S, survey
        from quorate.transport.ssh import connector

        where = self.target
        async with connector(where.cluster, where.spec_path, connect_timeout_s=CONNECT_S) as connect:
            found = status(await survey(where.platform(), connect))
        return [problem.as_json() for problem in found.problems]

    async def move(self, service: str, node: str) -> str:
        """``quorate move SERVICE``, to the best other node."""
        from quorate.errors import DrillError
        from quorate.operations.move import carry_out, way
        from quorate.operations.survey import survey
        from quorate.transport.ssh import connector

        its = self.target.platform()
        async with connector(self.target.cluster, self.target.spec_path) as connect:
            path = way(its, await survey(its, connect), service)
            if path.source != node:
                raise DrillError(f"{service} is not there, but on {path.source}", where=node)
            done = await carry_out(its, path, connect)
        way_said = f"{service} moved from {done.source} to {done.target}"
        return f"{way_said}, where it worked after {done.seconds:.1f} s"
