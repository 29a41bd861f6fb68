"""Nodes that are gone, unclean, paused, or that see the cluster differently from their peers."""

from __future__ import annotations

from collections.abc import Iterator

from quorate.operations.observation import NodeLook, Observation, Power
from quorate.operations.problems import Problem, Severity, critical

CLOCK_SKEW_S = 2.0
"""Fernet tokens and timelines bear seconds, but a skew like this says that no time service runs."""
DISK_WARNING_PERCENT, DISK_CRITICAL_PERCENT = 85.0, 95.0


def unreachable(seen: Observation) -> Iterator[Problem]:
    """Nodes that did not answer over SSH, and what their peers and their BMC say of them."""
    for look in seen.looks.values():
        if not look.reachable:
            yield _unreachable(seen, look)


def _unreachable(seen: Observation, look: NodeLook) -> Problem:
    node = seen.cluster.nodes[look.node]
    bmc = f"its BMC at {node.bmc.address}" if node.bmc else "its power switch"
    if seen.online(look.node):
        return Problem(
            f"it takes part in the cluster but does not answer over SSH: {look.why}",
            look.node,
            f"from a peer look at sshd on it (systemctl status ssh), and at the route from here to "
            f"{seen.cluster.address(look.node)}",
        )
    if look.power is Power.OFF:
        return Problem("it has no power", look.node, f"switch it on through {bmc}; it joins by itself")
    if look.power is Power.ON:
        return Problem(
            f"it has power but is not in the cluster and does not answer over SSH: {look.why}",
            look.node,
            f"wait a minute if it is starting; otherwise look at its console, or restart it through {bmc}",
        )
    return Problem(
        f"it is not in the cluster, does not answer over SSH, and nobody knows if it has power: {look.why}",
        look.node,
        f"look at {bmc} and at its network cables; once it has power and network it joins by itself",
    )


def outside_the_cluster(seen: Observation) -> Iterator[Problem]:
    """Nodes that live, but on which Pacemaker does not run or has not joined."""
    for look in seen.looks.values():
        if not look.reachable:
            continue
        state = seen.view.node(look.node) if seen.view else None
        if seen.starting(look.node):
            continue
        if look.node in seen.cluster.remotes:
            if look.view is None or not seen.online(look.node):
                yield _not_connected(seen, look)
        elif look.view is None:
            yield Problem(
                f"its Pacemaker does not answer: {look.why_no_view}",
                look.node,
                "on it: systemctl start pacemaker, then journalctl -u corosync -u pacemaker -n 50",
            )
        elif state is not None and state.pending:
            yield Problem("it is joining the cluster", look.node, "wait; it takes some seconds")
        elif state is None or not state.online:
            yield Problem(
                "it runs Pacemaker, but its peers do not see it in the cluster",
                look.node,
                "look at both Corosync links: corosync-cfgtool -s on it and on a peer",
                Severity.CRITICAL if look.view.quorate else Severity.WARNING,
            )


def _not_connected(seen: Observation, look: NodeLook) -> Problem:
    """A remote node that lives without the cluster: nobody would fence it, or move what runs on it."""
    address = seen.cluster.address(look.node)
    return Problem(
        "it is up, but no controller is connected to it: the cluster does not watch it",
        look.node,
        f"on it: systemctl status pacemaker_remote; on a controller: crm_mon -1rf; it has to reach "
        f"{address}, port 3121, and tries again by itself",
    )


def unclean(seen: Observation) -> Iterator[Problem]:
    """Nodes that have to be fenced, and are not yet."""
    for state in seen.view.nodes if seen.view else ():
        if state.unclean:
            spec = seen.cluster.nodes.get(state.name)
            bmc = f"BMC {spec.bmc.address}" if spec and spec.bmc else "BMC"
            yield critical(
                "nobody knows what it is doing, and fencing has not confirmed that it is off",
                state.name,
                f"fencing tries again by itself; make its {bmc} reachable. Only if you have seen that it is "
                f"off, on a live node: stonith_admin --confirm={state.name}",
            )


def paused(seen: Observation) -> Iterator[Problem]:
    """Nodes, or a whole cluster, that somebody told to rest."""
    if seen.view and seen.view.maintenance:
        yield Problem(
            "the cluster is in maintenance: Pacemaker mends nothing",
            seen.cluster.cluster,
            "when the work is done, on a node: crm_attribute --name maintenance-mode --delete",
        )
    for state in seen.view.nodes if seen.view else ():
        if state.standby and not state.pending:
            yield Problem(
                "it is in standby: it votes, but runs no services",
                state.name,
                f"when the work is done, on a node: crm_standby --node {state.name} --delete",
            )
        elif state.maintenance:
            yield Problem(
                "it is in maintenance: Pacemaker mends nothing on it",
                state.name,
                f"when the work is done: crm_attribute --node {state.name} --name maintenance --delete",
            )


def quorum(seen: Observation) -> Iterator[Problem]:
    """No majority, or more than one group that believes to be the cluster."""
    if not seen.reachable:
        yield critical(
            "no node answers, so nothing is known",
            seen.cluster.cluster,
            "look at the network between here and the nodes, and at their power",
        )
        return
    if not seen.views:
        yield critical(
            "Pacemaker answers on no node: nothing is managed",
            seen.cluster.cluster,
            "run: quorate apply; it starts the cluster and says what stands in its way",
        )
        return
    if not any(view.quorate for view in seen.views.values()):
        votes = seen.cluster.controllers
        members = len(votes)
        missing = ", ".join(name for name in votes if not seen.online(name)) or "none by their own account"
        yield critical(
            f"no majority: {members // 2 + 1} of {members} controllers are needed, so all managed services "
            "stopped",
            seen.cluster.cluster,
            f"bring back: {missing}",
        )
    deciders = {view.dc for view in seen.views.values() if view.quorate and view.dc}
    if len(deciders) > 1:
        yield critical(
            f"the nodes name different deciders: {', '.join(sorted(deciders))}",
            ", ".join(name for name, view in seen.views.items() if view.quorate),
            "if it lasts more than some seconds look at the Corosync links: corosync-cfgtool -s on each node",
        )
    elif not deciders and any(view.quorate for view in seen.views.values()):
        yield Problem(
            "the nodes are electing who decides (DC)",
            seen.cluster.cluster,
            "wait some seconds; if it lasts, on a node: journalctl -u pacemaker -n 50",
        )


def hosts(seen: Observation) -> Iterator[Problem]:
    """Clocks that differ, disks that fill up."""
    for look in seen.looks.values():
        if abs(look.clock_ahead_s) >= CLOCK_SKEW_S:
            direction = "ahead of" if look.clock_ahead_s > 0 else "behind"
            yield Problem(
                f"its clock is {abs(look.clock_ahead_s):.0f} s {direction} the one here",
                look.node,
                "on both: timedatectl; time synchronisation has to run on every node",
            )
        for path, percent in look.disks.items():
            if percent >= DISK_WARNING_PERCENT:
                yield Problem(
                    f"the file system of {path} is {percent:.0f} % full",
                    look.node,
                    f"make room: du -xh {path} | sort -h | tail; a database on a full disk stops",
                    Severity.CRITICAL if percent >= DISK_CRITICAL_PERCENT else Severity.WARNING,
                )


RULES = (quorum, unclean, unreachable, outside_the_cluster, paused, hosts)
