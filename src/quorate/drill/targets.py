"""Who is going to be hurt: a node by name, or whoever has a part in the cluster right now."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiomysql

from quorate.drill.contract import Scene
from quorate.drill.pace import describe
from quorate.drill.view import View
from quorate.drill.workloads.message_publish import MessagePublish
from quorate.errors import DrillError, UsageError

WAIT_S = 15.0


async def resolve(target: str, service: str, scene: Scene, view: View) -> str:
    """The node that ``target`` means.

    Args:
        target: a node's name, or one of `ROLES`.
        service: whose virtual IP ``vip-holder`` is about; "" for Keystone's, or the user's own service's.

    Raises:
        UsageError: there is no such node or role, or the service has no virtual IP.
        DrillError: nobody has that part, or more than one.
    """
    if target in scene.cluster.nodes:
        return target
    roles = [role for role in ROLES if role not in NEEDS or NEEDS[role] in scene.services]
    if target not in roles:
        choices = ", ".join([*scene.cluster.nodes, *roles])
        raise UsageError(f"there is no target {target!r}", next_step=f"choose one of: {choices}")
    return await ROLES[target](service, scene, view)


async def _vip_holder(service: str, scene: Scene, view: View) -> str:
    service = _with_address(service, scene)
    address = scene.vips[service]
    nodes = (await view.holders([address]))[address]
    if len(nodes) != 1:
        held = f"held by {' and '.join(nodes)}" if nodes else "held by no node"
        raise DrillError(f"the virtual IP {address} of {service} is {held}", next_step="./quorate status")
    return nodes[0]


def _with_address(service: str, scene: Scene) -> str:
    """The service whose virtual IP is meant: itself, else Keystone, else the first of the user's own."""
    own = [name for name in scene.own if name in scene.vips]
    found = next((name for name in (service, "keystone", *own) if name in scene.vips), None)
    if found is None or (service in scene.own and found != service):
        what = f"{service} has no virtual IP" if service else "no service has a virtual IP"
        choices = ", ".join(scene.vips) or "a node by its name"
        raise UsageError(what, next_step=f"choose one of: {choices}")
    return found


async def _db_writer(service: str, scene: Scene, view: View) -> str:
    """The node that a session through the database's virtual IP ends up on."""
    try:
        async with asyncio.timeout(WAIT_S):
            return await _answering(scene)
    except (OSError, KeyError, aiomysql.MySQLError) as error:
        late = isinstance(error, TimeoutError)
        raise DrillError(
            "the database does not say who writes",
            evidence=f"no answer within {WAIT_S:g} s" if late else describe(error),
            next_step="./quorate status",
        ) from error


async def _answering(scene: Scene) -> str:
    connection = await aiomysql.connect(
        host=scene.vips["galera"],
        port=scene.ports["galera"],
        user="quorate",
        password=str(scene.secrets.password("db-quorate")),
        db="quorate",
        ssl=ssl.create_default_context(cafile=scene.ca_file),
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT @@wsrep_node_name")
            (node,) = await cursor.fetchone()
    finally:
        connection.close()
    return str(node)


async def _queue_leader(service: str, scene: Scene, view: View) -> str:
    """The node that leads the quorum queue which the drill is going to publish to; the queue is made here.

    Who does not carry the drill out has to `forget` it.
    """
    try:
        return await _leader_of_new_queue(scene)
    except BaseException:
        # What went wrong is what has to be said, even if this goes wrong too.
        with suppress(DrillError):
            await forget("queue-leader", scene)
        raise


async def forget(target: str, scene: Scene) -> None:
    """Remove what `resolve` made to find ``target``: nothing is left of a drill that was not begun.

    Raises:
        DrillError: it is still there.
    """
    if target != "queue-leader":
        return
    workload = MessagePublish(scene)
    try:
        async with asyncio.timeout(WAIT_S):
            await workload.forget()
    except Exception as error:
        raise DrillError(
            f"the drill's queue {workload.queue} is left behind",
            evidence=describe(error),
            next_step=f"on {scene.cluster.controllers[0]}: rabbitmqctl delete_queue {workload.queue}",
        ) from error
    finally:
        await workload.close()


async def _leader_of_new_queue(scene: Scene) -> str:
    workload = MessagePublish(scene)
    try:
        await workload.open()
    finally:
        await workload.close()
    asked = scene.cluster.controllers[0]
    argv = ("rabbitmqctl", "--quiet", "--formatter", "json", "list_queues", "name", "leader")
    done = await scene.nodes.run(asked, argv, timeout_s=30)
    try:
        queues = {queue["name"]: str(queue["leader"]) for queue in json.loads(done.stdout)}
        return queues[workload.queue].removeprefix("rabbit@")
    except (ValueError, KeyError) as error:
        evidence = done.stderr.decode(errors="replace") or f"{type(error).__name__}: {error}"
        raise DrillError(
            "the broker does not say who leads the queue", where=asked, evidence=evidence
        ) from error


ROLES: dict[str, Callable[[str, Scene, View], Awaitable[str]]] = {
    "vip-holder": _vip_holder,
    "db-writer": _db_writer,
    "queue-leader": _queue_leader,
}
NEEDS = {"db-writer": "galera", "queue-leader": "rabbitmq"}
"""The service without which nobody has that part."""
