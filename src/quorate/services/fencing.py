"""Fencing: a node that stopped answering is powered off through its BMC before its work goes on elsewhere.

A device a node (fence_ipmilan(8)), never run by the node it is for. Passwords are neither in Pacemaker's
configuration nor in any argument list: `ipmitool` reads them from files that only root can read.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from quorate.errors import PreconditionError
from quorate.pacemaker import state as cluster_state
from quorate.pacemaker.model import INFINITY, Fragment, Location, Operation, Primitive
from quorate.resources.base import Placed, Resource, Stage
from quorate.resources.file import directory, file
from quorate.services.base import Context, Health, HealthProbe, Judgement, Offers, Options, Service
from quorate.services.rendering import render
from quorate.spec.model import Bmc, Cluster, Mode

AGENT = "fence_ipmilan"
AGENT_PATH = f"/usr/sbin/{AGENT}"
FOLDER = "/etc/quorate"
PASSWORDS = f"{FOLDER}/bmc"
WRAPPER = "/usr/local/lib/quorate/ipmitool"
TEST_TIMEOUT_S = 12.0
NEAR = "10"


class FencingOptions(Options):
    """What can differ from one make of BMC to the next. Times in seconds."""

    method: Annotated[str, Field(pattern="^(onoff|cycle)$")] = "onoff"
    """``onoff`` sees the node off before it says so; ``cycle`` may say so early (fence_ipmilan(8))."""
    power_wait_s: Annotated[int, Field(ge=0, le=60)] = 0
    """After a power command, before the state is asked for; slow BMCs need a few seconds."""
    ipmitool_timeout_s: Annotated[int, Field(ge=1, le=60)] = 2
    monitor_s: Annotated[int, Field(ge=30, le=86_400)] = 600
    """How often every BMC is asked whether it still answers."""


class Fencing(Service):
    """The power to switch a lost node off, tested before the cluster is called ready."""

    name = "fencing"
    summary = "Fencing: a lost node is certainly off before its work goes on elsewhere"
    modes = (Mode.SELF,)
    always = True
    packages = ("fence-agents-ipmilan", "ipmitool")
    Options = FencingOptions

    def offers(self, cluster: Cluster, options: Any) -> Offers:
        """A device for every node that has a BMC."""
        resources: list[Primitive] = []
        constraints: list[Location] = []
        for index, node in enumerate((*cluster.controllers, *cluster.remotes)):
            bmc = cluster.nodes[node].bmc
            if bmc is None:
                continue
            resources.append(_device(node, bmc, options, cluster.fencing.timeout_s))
            if node in cluster.controllers:
                constraints.append(Location(device(node), node, f"-{INFINITY}"))
            # Each at home on another controller: when one is lost, few devices move, not all.
            neighbour = cluster.controllers[(index + 1) % len(cluster.controllers)]
            if neighbour != node:
                constraints.append(Location(device(node), neighbour, NEAR))
        return Offers(fragment=Fragment(tuple(resources), tuple(constraints)))

    def resources(self, ctx: Context) -> Iterable[Placed]:
        """The passwords and, in a stage of its own, a test of every BMC from every other controller."""
        wrapper = render("fencing/ipmitool.j2", folder=PASSWORDS)
        bmcs = {name: node.bmc for name, node in ctx.cluster.nodes.items() if node.bmc is not None}
        passwords = {node: password(ctx.folder, node, bmc) for node, bmc in bmcs.items()}
        for node in ctx.controllers:
            yield Placed(Stage.CONFIG, node, directory(str(Path(WRAPPER).parent)))
            yield Placed(Stage.CONFIG, node, file(WRAPPER, wrapper, mode=0o755, validate=("sh", "-n", "{}")))
            yield Placed(Stage.CONFIG, node, directory(FOLDER, mode=0o700))
            kept = [_file_name(bmc) for bmc in bmcs.values()]
            yield Placed(Stage.CONFIG, node, directory(PASSWORDS, mode=0o700, purge=True, keep=kept))
            for target, bmc in bmcs.items():
                path = f"{PASSWORDS}/{_file_name(bmc)}"
                yield Placed(
                    Stage.CONFIG, node, file(path, passwords[target] + "\n", mode=0o600, secret=True)
                )
                if target != node:
                    yield Placed(Stage.FENCING, node, _test(target, bmc, ctx.options[self.name]))

    def health(self, ctx: Context) -> Iterable[HealthProbe]:
        """What the cluster remembers of its fencing, each node as it sees it itself."""
        for node in ctx.cluster.nodes:
            if ctx.cluster.nodes[node].bmc is not None:
                args: dict[str, Any] = {"argv": list(cluster_state.COMMAND)}
                if node not in ctx.controllers:
                    # It hears of it by way of the controller that has the connection to it.
                    args["timeout_s"] = 10.0
                yield HealthProbe(self.name, node, "crm_mon", args, _judge_for(node))


def device(node: str) -> str:
    """The id of the fencing device that can power ``node`` off."""
    return f"fence-{node}"


def password(folder: Path, node: str, bmc: Bmc) -> str:
    """The BMC's password, out of a file that nobody else can read.

    Raises:
        PreconditionError: there is no such file, others can read it, or it does not hold one line.
    """
    path = folder / bmc.password_file
    where = f"nodes.{node}.bmc.password_file"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        content = path.read_text().strip("\n")
    except OSError as error:
        raise PreconditionError(
            f"{path} cannot be read: {error.strerror}",
            where=where,
            next_step="write the BMC's password into it and make it readable for its owner only (chmod 600)",
        ) from error
    if mode & 0o077:
        raise PreconditionError(
            f"{path} can be read by others (mode {mode:04o})", where=where, next_step=f"chmod 600 {path}"
        )
    # IPMI 2.0 specification, 22.30: a password has at most 20 bytes.
    if not content or "\n" in content or len(content.encode()) > 20:
        raise PreconditionError(
            f"{path} must hold one line with a password of 1 to 20 bytes", where=where, next_step="correct it"
        )
    return content


def parameters(bmc: Bmc, options: FencingOptions) -> dict[str, str]:
    """What the fence agent is told, for the cluster's device and for the test of it. No secret in it."""
    return {
        "ip": str(bmc.address),
        "ipport": str(bmc.port),
        "username": bmc.user,
        "ipmitool_path": WRAPPER,
        "lanplus": "1",
        # Naming it saves a round of discovery that not every BMC survives.
        "cipher": str(bmc.cipher),
        "privlvl": bmc.privilege,
        "method": options.method,
        "power_wait": str(options.power_wait_s),
        "ipmitool_timeout": str(options.ipmitool_timeout_s),
    }


def _file_name(bmc: Bmc) -> str:
    return f"{bmc.address}-{bmc.port}"


def _device(node: str, bmc: Bmc, options: FencingOptions, timeout_s: int) -> Primitive:
    timeout = cluster_timeout(timeout_s)
    return Primitive(
        device(node),
        f"stonith:{AGENT}",
        params={
            **parameters(bmc, options),
            "pcmk_host_list": node,
            "pcmk_host_check": "static-list",
            "pcmk_reboot_timeout": timeout,
            "pcmk_off_timeout": timeout,
        },
        # A device that failed a monitor can still fence; it is tried again soon.
        meta={"resource-stickiness": "0"},
        operations=(Operation("monitor", options.monitor_s, 30), Operation("start", 0, 30)),
    )


def cluster_timeout(timeout_s: int) -> str:
    """How long one fencing action may take, as Pacemaker writes it."""
    return f"{timeout_s}s"


def _test(target: str, bmc: Bmc, options: Options) -> Resource:
    assert isinstance(options, FencingOptions)
    args = {
        "agent": AGENT_PATH,
        "options": parameters(bmc, options),
        "node": target,
        "bmc": f"{bmc.address}:{bmc.port}",
        "timeout_s": TEST_TIMEOUT_S,
    }
    # Time for two questions: a first that fails is asked again before it counts.
    return Resource("fence", f"BMC of {target}", args, {"answers": True}, timeout_s=2 * TEST_TIMEOUT_S + 5)


def _judge_for(node: str) -> Any:
    def judge(answer: Mapping[str, Any]) -> Judgement:
        try:
            return judge_device(cluster_state.parse(answer["xml"]), node)
        except ValueError as error:
            return Judgement(Health.UNKNOWN, str(error), "look at Pacemaker first")

    return judge


def judge_device(state: cluster_state.ClusterState, node: str) -> Judgement:
    """Whether ``node`` could be fenced: its device is watched by some node, and did not fail."""
    events = [event for event in state.fencing if event.target == node]
    if events and events[0].status == "failed":
        return Judgement(
            Health.FAILED,
            f"the last attempt to fence it failed: {events[0].reason or 'no reason given'}",
            f"check its BMC; if {node} is certainly off: stonith_admin --confirm={node}",
        )
    if events and events[0].status == "pending":
        return Judgement(Health.DEGRADED, "is being fenced right now", "wait, then look again")
    watcher = state.holder(device(node))
    failed = [one for one in state.instances(device(node)) if one.failed]
    if failed or not watcher:
        reasons = [failure.reason for failure in state.failures if failure.resource == device(node)]
        return Judgement(
            Health.FAILED,
            f"its BMC does not answer: {'; '.join(reasons) or 'no node watches it'}",
            "check the BMC's network, user and password, then run apply",
        )
    text = f"its BMC answers, {watcher} watches it"
    last = events[0] if events else None
    return Judgement(Health.OK, f"{text}; last fenced {last.completed}" if last else text)
