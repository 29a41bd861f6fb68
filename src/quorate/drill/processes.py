"""The processes of a service on a node: which they are, what state they are in, signals to them."""

from __future__ import annotations

from dataclasses import dataclass

from quorate.drill.contract import Nodes, Processes
from quorate.errors import DrillError, UsageError
from quorate.services.base import Service

PID_FILES = {"galera": "/run/mysqld/mysqld.pid"}
"""Services whose program is started by Pacemaker past systemd, so that it is in no unit of its own."""


@dataclass(frozen=True)
class Process:
    """One process: ``state`` as in ps(1), "T" is stopped by a signal."""

    pid: int
    state: str
    name: str


def of_service(service: Service) -> Processes:
    """What a kill or a hang of ``service`` hits: its first unit, or what its pid file names."""
    if service.name in PID_FILES:
        return Processes(service.name, pid_file=PID_FILES[service.name])
    if not service.units:
        raise UsageError(f"{service.name} has no processes of its own to hit")
    return Processes(service.name, unit=service.units[0])


async def find(nodes: Nodes, node: str, processes: Processes) -> tuple[Process, ...]:
    """The processes that there are now; none where the service does not run."""
    pids = await _pids(nodes, node, processes)
    if not pids:
        return ()
    done = await nodes.run(node, ("ps", "-o", "pid=,stat=,comm=", "-p", ",".join(pids)))
    rows = (line.split(None, 2) for line in done.stdout.decode().splitlines())
    return tuple(Process(int(row[0]), row[1][0], row[2]) for row in rows if len(row) == 3)


async def _pids(nodes: Nodes, node: str, processes: Processes) -> tuple[str, ...]:
    paths = [processes.pid_file]
    if processes.unit:
        shown = await nodes.run(
            node, ("systemctl", "show", "--property=ControlGroup", "--value", processes.unit)
        )
        # More than one where the unit is a pattern ("ceph-osd@*.service", systemctl(1)).
        paths = [f"/sys/fs/cgroup{group}/cgroup.procs" for group in shown.stdout.decode().split()]
        if not paths:
            return ()
    done = await nodes.run(node, ("cat", *paths))
    return tuple(done.stdout.decode().split()) if done.exit == 0 else ()


def signalling(processes: Processes, signal: str, found: tuple[Process, ...]) -> tuple[str, ...]:
    """The command that sends ``signal`` ("KILL", "STOP", "CONT") to all of them (systemctl(1), kill(1))."""
    if processes.unit:
        return ("systemctl", "kill", f"--signal={signal}", "--kill-whom=all", processes.unit)
    return ("kill", f"-{signal}", *(str(process.pid) for process in found))


async def send(nodes: Nodes, node: str, processes: Processes, signal: str) -> tuple[Process, ...]:
    """Send ``signal`` to all processes of the service, and return which they were.

    Raises:
        DrillError: there is none, or the signal could not be sent.
    """
    found = await find(nodes, node, processes)
    if not found:
        raise DrillError(f"{processes} does not run there", where=node, next_step="./quorate status")
    done = await nodes.run(node, signalling(processes, signal, found))
    if done.exit:
        evidence = done.stderr.decode(errors="replace")
        raise DrillError(f"SIG{signal} could not be sent to {processes}", where=node, evidence=evidence)
    return found


def describe(found: tuple[Process, ...]) -> str:
    """ "3 processes: 812 uwsgi, …" """
    names = ", ".join(f"{process.pid} {process.name}" for process in found[:6])
    return f"{len(found)} process{'' if len(found) == 1 else 'es'}: {names}"
