"""What faults and workloads are, and what they are handed. Being a file in their folder registers them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from quorate.drill.ledger import ReadBack
from quorate.drill.model import Phase
from quorate.secrets.store import Secrets
from quorate.spec.model import Cluster
from quorate.transport.base import Completed


class Nodes(Protocol):
    """Runs programs on nodes."""

    async def run(
        self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 20.0
    ) -> Completed:
        """Run ``argv`` on ``node`` to its end.

        Raises:
            TransportError: the node could not be talked to, or not to the end.
        """
        ...


class Power(Protocol):
    """Switches nodes off and on, past their operating system."""

    async def is_on(self, node: str) -> bool:
        """Ask the BMC. Raises DrillError where it does not say."""
        ...

    async def off(self, node: str) -> None:
        """Cut the power. Raises DrillError where the BMC refuses."""
        ...

    async def on(self, node: str) -> None:
        """Give power. Raises DrillError where the BMC refuses."""
        ...


ALL = "all"
"""The victim of a fault that hits every controller."""


@dataclass(frozen=True)
class Processes:
    """What a service is made of on a node: a systemd unit, or where it has none of its own a pid file."""

    service: str
    unit: str = ""
    pid_file: str = ""

    def __str__(self) -> str:
        return self.unit or f"{self.service} ({self.pid_file})"


@dataclass(frozen=True)
class Scene:
    """Everything that a drill is about.

    Args:
        run: its name; also marks what it writes.
        ca_file: of the cluster's certificate authority.
        vips: service to the address of its clients.
        ports: service to the port of its first front end.
        victim: the node that is going to be hurt, "" before that is known; `ALL` where it is every one.
        processes: what a kill or hang hits.
    """

    run: str
    cluster: Cluster
    secrets: Secrets
    ca_file: str
    vips: Mapping[str, str]
    ports: Mapping[str, int]
    nodes: Nodes
    power: Power
    victim: str = ""
    processes: Processes | None = None
    thaw_after_s: float = 60.0
    """A hang ends by itself after so many seconds, whatever happens to the one who caused it."""

    @property
    def survivors(self) -> tuple[str, ...]:
        """The controllers that are not the victim."""
        return tuple(node for node in self.cluster.controllers if node != self.victim)


class Fault(ABC):
    """One way to break something, and to mend it again.

    Attributes:
        name: on the command line.
        summary: one line for people.
        needs_service: it hits the processes of one service, not a whole node.
        fences: the cluster has to fence the victim.
        hits_all: it hits every controller, so there is no target to choose.
        default_target: where nobody says what to hit.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs_service: ClassVar[bool] = False
    fences: ClassVar[bool] = False
    hits_all: ClassVar[bool] = False
    default_target: ClassVar[str] = "vip-holder"

    @abstractmethod
    def explain(self, scene: Scene) -> str:
        """What it will do, for the person who is asked to agree."""

    async def arm(self, scene: Scene) -> str:
        """Make sure that it ends even if this process dies, and say how. "" where nothing has to be done."""
        return ""

    @abstractmethod
    async def inject(self, scene: Scene) -> str:
        """Break it. Returns the evidence. Raises DrillError where it did not work."""

    @abstractmethod
    async def heal(self, scene: Scene) -> None:
        """Mend it. Harmless when repeated, and when it was never broken."""

    @abstractmethod
    async def healed(self, scene: Scene) -> str | None:
        """The evidence that nothing of it is left, or None as long as there is none."""


@dataclass
class Attempt:
    """One request while it is being made.

    Args:
        number: counts from 0 for each workload; a write's key.
        stage: what it is waiting for, where its client knows; shown when it is given up.
        sent: set by a write just before it leaves the client: from then on a failure means *unknown*.
    """

    number: int
    phase: Phase
    stage: str = ""
    sent: bool = False


class Workload(ABC):
    """What one kind of client does, over and over.

    Attributes:
        name: the endpoint's name in results.
        summary: one line for people.
        service: whose front end it uses; it is left out where the cluster has no such service.
        rate_hz: requests a second, where that differs from the drill's own rate.
        deadline_s: a request not answered well by then has failed.
        writes: what it is promised goes into the ledger.
        judged: often enough to say when the service was away; otherwise only its errors count.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    service: ClassVar[str]
    rate_hz: ClassVar[float | None] = None
    deadline_s: ClassVar[float] = 1.0
    writes: ClassVar[bool] = False
    judged: ClassVar[bool] = True

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    @abstractmethod
    async def open(self) -> None:
        """Get ready: log in, make what is needed. Raises where the plane does not let it."""

    @abstractmethod
    async def request(self, attempt: Attempt) -> None:
        """Make one request. Returns when the answer was good, else raises. May be cancelled at any await."""

    async def read_back(self) -> Sequence[ReadBack]:
        """What each copy of the data holds, after healing. Only for workloads that write."""
        return ()

    async def forget(self) -> None:
        """Remove what it wrote. Called only when nothing was lost: otherwise it is evidence."""
        return

    async def close(self) -> None:
        """Let all connections go. Harmless when repeated."""
        return
