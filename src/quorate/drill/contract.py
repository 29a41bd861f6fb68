"""What faults and workloads are, and what they are handed. Being a file in their folder registers them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from quorate.drill import budgets
from quorate.drill.ledger import ReadBack
from quorate.drill.model import Phase
from quorate.secrets.store import Secrets
from quorate.services.base import Outside
from quorate.spec.model import Cluster, ServiceSpec
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

    async def talk(
        self,
        node: str,
        argv: Sequence[str],
        *,
        feed: Callable[[], Awaitable[bytes]],
        on_line: Callable[[bytes], None],
        timeout_s: float,
    ) -> Completed:
        """Run ``argv`` on ``node`` to its end, and talk to it meanwhile; see `transport.base.Command`.

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


class Bench(Protocol):
    """A hand outside the nodes, where there is one: in a lab the host itself, elsewhere nobody's.

    What it sees is what is, not what a node, a BMC or the cluster says. Everything it does may be repeated.
    The methods that look (`boot`, `mounts`) are quick and may be called from a thread.
    """

    async def freeze(self, node: str) -> None:
        """Stop the whole machine; everything in flight stays as it is. Raises QuorateError."""
        ...

    async def isolate(self, node: str, network: str = "") -> tuple[str, ...]:
        """Cut ``network`` of it, or all except the one that its BMC is in; returns which. QuorateError."""
        ...

    async def bmc(self, node: str, behaviour: str) -> None:
        """Make its BMC ``normal``, ``dead``, ``slow N`` (seconds) or ``lying``. Raises QuorateError."""
        ...

    async def cut_power(self, node: str) -> None:
        """Cut its power past the BMC. Raises QuorateError."""
        ...

    async def mend(self, node: str) -> None:
        """Thaw it, mend its links, its BMC and its power. Raises QuorateError."""
        ...

    async def broken(self, node: str) -> tuple[str, ...]:
        """What `mend` would have to mend, in words."""
        ...

    async def arm(self, node: str, run: str, after_s: float) -> str:
        """`mend` it after so many seconds whatever happens to this process; returns how, in a sentence."""
        ...

    async def disarm(self, node: str, run: str) -> None:
        """Call off what `arm` armed."""
        ...

    def boot(self, node: str) -> str:
        """Which of its lives the machine lives: another text after each power on; "" while it is off."""
        ...

    def mounts(self, node: str) -> frozenset[str]:
        """The shared disks whose file systems live in the machine, by the paths that it has for them."""
        ...


class Operator(Protocol):
    """What a person at the keyboard would do, with the commands that there are for it."""

    async def problems(self) -> Sequence[Mapping[str, str]]:
        """What `quorate status` says is wrong: ``what``, ``where``, ``next_step``, ``severity`` of each."""
        ...

    async def move(self, service: str, node: str) -> str:
        """Move ``service`` away from ``node`` as `quorate move` does; returns its words. QuorateError."""
        ...

    async def guest_image(self) -> str:
        """The path of the raw image that a tenant's server boots, built first where there is none."""
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
        services: the names of all services of the cluster.
        held: the services whose virtual IP is on the victim.
        service: as the person named it; "" where nobody did.
        bench: a hand outside the nodes; None where there is none.
        operator: the tool's other commands; None in tests.
        unfenceable: nobody can confirm that the victim is off; see `Fault`.
        image: path of the raw image that the drill's own servers boot; "" where it makes none.
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
    """A fault ends by itself after so many seconds, whatever happens to the one who caused it."""
    services: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    service: str = ""
    bench: Bench | None = None
    operator: Operator | None = None
    unfenceable: bool = False
    image: str = ""

    @property
    def outside(self) -> Outside:
        """What the clients of the services' own proofs want to know."""
        return Outside(self.cluster, self.secrets, self.ca_file, self.vips)

    @property
    def own(self) -> Mapping[str, ServiceSpec]:
        """The services of the user's own, by name."""
        known = self.cluster.services
        return {name: known[name] for name in known if known[name].own and name in self.services}

    @property
    def survivors(self) -> tuple[str, ...]:
        """The controllers that are not the victim."""
        return tuple(node for node in self.cluster.controllers if node != self.victim)

    @property
    def hosts_guests(self) -> bool:
        """The victim is one that guests run on: what runs there is lost with it, and nothing else may be."""
        return self.victim in self.cluster.computes

    @property
    def witnesses(self) -> tuple[str, ...]:
        """The nodes whose logs tell what happened: the controllers, and the victim where it is none."""
        other = self.victim not in ("", ALL, *self.cluster.controllers)
        return (*self.cluster.controllers, *((self.victim,) if other else ()))


class Fault(ABC):
    """One way to break something, and to mend it again.

    Attributes:
        name: on the command line.
        summary: one line for people.
        needs_service: it hits the processes of one service, not a whole node.
        needs_own: it is about one service of the user's own; the only one, where nobody says which.
        fences: the cluster has to fence the victim.
        hits_all: it hits every controller, so there is no target to choose.
        default_target: where nobody says what to hit.
        needs_bench: it needs a hand outside the nodes; ``why_bench`` says why a real host has none.
        unfenceable: nobody can confirm that the victim is off: what needs that has to wait, and be explained.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs_service: ClassVar[bool] = False
    needs_own: ClassVar[bool] = False
    fences: ClassVar[bool] = False
    hits_all: ClassVar[bool] = False
    default_target: ClassVar[str] = "vip-holder"
    needs_bench: ClassVar[bool] = False
    why_bench: ClassVar[str] = ""
    unfenceable: ClassVar[bool] = False

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
        name: the endpoint's name in results; of the class, what ``drill list`` shows.
        summary: one line for people.
        service: whose front end it uses; it is left out where the cluster has no such service.
        rate_hz: requests a second, where that differs from the drill's own rate.
        deadline_s: a request not answered well by then has failed.
        writes: what it is promised goes into the ledger.
        judged: often enough to say when the service was away; otherwise only its errors count.
    """

    name: str
    summary: ClassVar[str]
    service: str
    rate_hz: float | None = None
    deadline_s: float = 1.0
    writes: ClassVar[bool] = False
    judged: bool = True

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    @classmethod
    def make(cls, scene: Scene) -> Sequence[Self]:
        """Those that have something to do in this cluster: one, none, or one for each service of the user."""
        return (cls(scene),) if cls.service in scene.services else ()

    def budget(self, fault: str, service: str) -> float | None:
        """Seconds that its endpoint may be away under ``fault`` of ``service``; see `budgets.budget`."""
        return budgets.budget(fault, service, self.name, self.service)

    @property
    def waits(self) -> bool:
        """It has to be unavailable as long as nobody has confirmed that the victim is off."""
        return False

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

    async def afterwards(self) -> Mapping[str, object]:
        """What its checks have to know besides the requests, once the cluster is whole; {} where nothing."""
        return {}

    async def close(self) -> None:
        """Let all connections go, and what was made by `open`. Harmless when repeated."""
        return
