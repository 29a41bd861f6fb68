"""A planned move of an active/passive service: checked, carried out, seen to work, nothing left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from quorate.engine.lock import held
from quorate.engine.look import Question, look
from quorate.errors import ApplyError, PreconditionError, TransportError, UsageError
from quorate.events import Event, Kind, Listener, silent
from quorate.operations.observation import Observation
from quorate.pacemaker.model import Group
from quorate.pacemaker.state import COMMAND, ClusterState, parse
from quorate.services.base import Health, HealthProbe
from quorate.services.registry import Platform
from quorate.transport.base import Command, Connect

PAUSE_S = 0.1
"""Between two looks at a service on its way."""
SPARE_S = 60.0
"""How much longer than its stop and its start a move may take: for the cluster, and for a fenced old node."""
LIFETIME = "PT15M"
"""The constraint ends by itself after that (ISO 8601), should we die before we remove it."""
PROGRAM_S = 15.0
FENCING = "fencing"


@dataclass(frozen=True)
class Way:
    """A move that may be made: ``source`` is where the service is now. Equal: there is nothing to do."""

    service: str
    source: str
    target: str
    timeout_s: float


@dataclass(frozen=True)
class Moved:
    """A move that was made. ``seconds``: from the order until it worked on ``target``."""

    service: str
    source: str
    target: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "seconds": round(self.seconds, 3), "moved": self.source != self.target}


def groups(its: Platform) -> dict[str, Group]:
    """The services that can be moved: those that are a group, by name."""
    resources = (one for fragment in its.ctx.fragments for one in fragment.resources)
    return {one.id: one for one in resources if isinstance(one, Group)}


def way(its: Platform, seen: Observation, service: str, target: str = "") -> Way:
    """Whether ``service`` can go to ``target``, or to the best other node. Pure.

    Raises:
        UsageError: there is no such service, or node, or it never runs there.
        PreconditionError: it cannot be moved now; the reason and what to do are said.
    """
    group = groups(its).get(service)
    if group is None:
        raise _no_such(its, service)
    allowed = group.nodes or its.ctx.controllers
    if target and target not in allowed:
        known = "never runs on" if target in its.ctx.cluster.nodes else "cannot go to an unknown node,"
        raise UsageError(f"{service} {known} {target}", next_step=f"choose one of: {', '.join(allowed)}")
    spec = its.ctx.cluster.services.get(service)
    timeout_s = SPARE_S + (spec.start_s + spec.stop_s if spec else 0)
    source = _source(seen, group)
    if target == source:
        return Way(service, source, target, timeout_s)
    _fit_to_leave(seen, service, source)
    reasons = {node: unfit(seen, group, node) for node in allowed if node != source}
    preferred = spec.prefer if spec and spec.prefer else ""
    ranked = sorted(reasons, key=lambda node: node != preferred)
    target = target or next((node for node in ranked if not reasons[node]), "")
    if not target or reasons[target]:
        where = {target: reasons[target]} if target else reasons
        raise PreconditionError(
            f"{service} stays on {source}: " + "; ".join(f"{node} {why}" for node, why in where.items()),
            next_step="quorate status says what to do about it",
        )
    if spec and spec.failback and preferred not in ("", target) and seen.online(preferred):
        raise PreconditionError(
            f"{service} would go back to {preferred} at once: it is preferred, and failback is on",
            where=f"services.{service}.failback",
            next_step=f"take failback out and run: quorate apply; or move it to {preferred}",
        )
    return Way(service, source, target, timeout_s)


def _no_such(its: Platform, service: str) -> UsageError:
    movable = ", ".join(groups(its)) or "this cluster has none"
    if service not in its.services:
        return UsageError(f"there is no service {service!r}", next_step=f"services that move: {movable}")
    mode = its.ctx.modes[service].value
    return UsageError(
        f"{service} is {mode}: it does not move from node to node", next_step=f"services that move: {movable}"
    )


def _source(seen: Observation, group: Group) -> str:
    """The node that has all of ``group``. Raises PreconditionError where there is none."""
    view, next_step = seen.view, "quorate status says what to do about it"
    if view is None or not view.quorate:
        raise PreconditionError("the cluster has no quorum, so it moves nothing", next_step=next_step)
    if view.maintenance:
        raise PreconditionError(
            "the cluster is in maintenance, so it moves nothing",
            next_step="on a node: crm_attribute --name maintenance-mode --delete",
        )
    source = whole(view, group)
    if not source:
        raise PreconditionError(f"{group.id} does not run, or not all of it", next_step=next_step)
    return source


def whole(view: ClusterState, group: Group) -> str:
    """The node on which every member of ``group`` runs, or ""."""
    holders = {view.holders(member.id) for member in group.members}
    pending = any(one.pending for one in view.instances(group.id))
    only = next(iter(holders)) if len(holders) == 1 else ()
    return only[0] if len(only) == 1 and not pending else ""


def _fit_to_leave(seen: Observation, service: str, source: str) -> None:
    for look_for, what in (
        (service, "is not healthy there"),
        (FENCING, "could not be fenced if its stop failed"),
    ):
        found = [one for one in seen.looks[source].findings if one.service == look_for]
        bad = [one for one in found if one.judgement.health is not Health.OK]
        if bad or (look_for == FENCING and not found):
            subject = service if look_for == service else source
            raise PreconditionError(
                f"{service} stays on {source}: {subject} {what}",
                evidence="\n".join(one.judgement.text for one in bad),
                next_step=next((one.judgement.next_step for one in bad if one.judgement.next_step), ""),
            )


def unfit(seen: Observation, group: Group, node: str) -> str:
    """Why ``node`` cannot take ``group`` now, in words that follow its name; "" where it can."""
    found, view = seen.looks.get(node), seen.view
    state = view.node(node) if view else None
    if found is None or not found.reachable:
        return f"does not answer ({found.why if found else 'it is not known'})"
    if view is None or state is None or not seen.online(node) or state.unclean:
        return "is not online"
    if state.standby or state.maintenance:
        return f"is in {'standby' if state.standby else 'maintenance'}"
    names = {member.id for member in group.members}
    failure = next((one for one in view.failures if one.node == node and one.resource in names), None)
    if failure:
        return (
            f"remembers a failed {failure.task} of {failure.resource} ({failure.reason}); mend it, then: "
            f"crm_resource --cleanup --resource {group.id} --node {node}"
        )
    for finding in found.findings:
        if finding.service in (group.id, FENCING) and finding.judgement.health is not Health.OK:
            about = "its BMC: " if finding.service == FENCING else ""
            return f"is not ready ({about}{finding.judgement.text})"
    return ""


async def carry_out(
    its: Platform,
    path: Way,
    connect: Connect,
    listener: Listener = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Moved:
    """Move it, wait until it works there, and take the constraint that did it away again, whatever happens.

    Raises:
        ApplyError: it did not arrive, or the constraint could not be removed.
    """
    group, service = groups(its)[path.service], path.service
    nodes = [path.target, *(node for node in its.ctx.controllers if node != path.target)]
    async with held(connect, its.ctx.controllers, f"move {service}"):
        # What an earlier move left that died.
        await _clear(connect, nodes, service)
        subject = f"move {service}"
        listener(Event(Kind.STARTED, subject, f"{path.source} → {path.target}"))
        begun = clock()
        try:
            order = ("--move", "--node", path.target, "--lifetime", LIFETIME)
            await _crm_resource(connect, path.target, service, *order)
            last = await _arrived(its, group, path, connect, clock)
            seconds = clock() - begun
        finally:
            await asyncio.shield(_clear(connect, nodes, service))
        if last:
            listener(Event(Kind.FAILED, subject, last))
            raise ApplyError(
                f"{service} does not work on {path.target} after {path.timeout_s:g} s",
                evidence=last,
                next_step="quorate status",
            )
        listener(Event(Kind.DONE, subject, f"works on {path.target} after {seconds:.1f} s"))
        return Moved(service, path.source, path.target, seconds)


async def _arrived(
    its: Platform, group: Group, path: Way, connect: Connect, clock: Callable[[], float]
) -> str:
    """Wait until all of it runs on the target and works. Returns "" then, or what was wrong at the end."""
    probes = [one for one in its.probes() if (one.service, one.node) == (path.service, path.target)]
    deadline = clock() + path.timeout_s
    while True:
        last = await _missing(group, path.target, probes, connect)
        if not last or clock() >= deadline:
            return last
        await asyncio.sleep(PAUSE_S)


async def _missing(group: Group, target: str, probes: Sequence[HealthProbe], connect: Connect) -> str:
    cluster = Question(target, "crm_mon", {"argv": list(COMMAND)}, 5)
    asked = [cluster, *(Question(target, one.kind, one.args, 5) for one in probes)]
    first, *others = await look(connect, asked)
    if first.state is None:
        return first.error
    try:
        view = parse(first.state["xml"])
    except ValueError as error:
        return str(error)
    if whole(view, group) != target:
        failed = "; ".join(
            f"{one.task} of {one.resource} on {one.node}: {one.reason}" for one in view.failures
        )
        return failed or "the cluster has not finished"
    for probe, answer in zip(probes, others, strict=True):
        if answer.state is None:
            return answer.error
        judgement = probe.judge(answer.state)
        if judgement.health is not Health.OK:
            return judgement.text
    return ""


async def _clear(connect: Connect, nodes: Sequence[str], service: str) -> None:
    """Remove what an order to move leaves: through the first of ``nodes`` that can."""
    last: Exception | None = None
    for node in nodes:
        try:
            await _crm_resource(connect, node, service, "--clear")
        except (ApplyError, TransportError) as error:
            last = error
        else:
            return
    raise ApplyError(
        f"the constraint that moved {service} is still there",
        evidence=str(last),
        next_step=f"on a node: crm_resource --resource {service} --clear (or wait: it ends after 15 minutes)",
    )


async def _crm_resource(connect: Connect, node: str, service: str, *words: str) -> None:
    transport = connect(node)
    argv = ("crm_resource", "--resource", service, *words)
    done = await transport.run(Command(argv, timeout_s=PROGRAM_S))
    if done.exit != 0:
        said = done.stderr.decode(errors="replace")
        raise ApplyError(f"{' '.join(argv)} ended with {done.exit}", where=node, evidence=said)
