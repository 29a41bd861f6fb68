"""Make numbered rules of a security group; afterwards each has to be in every OVN database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import aiohttp

from quorate.drill import budgets
from quorate.drill.contract import Attempt, Scene, Workload
from quorate.drill.http import Refused, base_url, login, session
from quorate.drill.ledger import ReadBack
from quorate.errors import TransportError

COMPLETE_S, AGAIN_S = 400.0, 3.0
"""How long Neutron may take to bring OVN in line with its database (its maintenance worker looks every five
minutes, ``DB_CONSISTENCY_CHECK_INTERVAL``), and how often that is looked at."""
API = "/v2.0"
RULES = 8
"""In one group. For each new rule Neutron reads its whole group, with queries for every rule that is in it
(neutron, ``SecurityGroupRule.from_db_object``): in one group for all, each second of a drill would cost more
than the one before, until Neutron serves nothing else."""
GROUP_S = 30.0
"""How long a group may take to be made. Longer than a write: a request that nobody waits for is worked on all
the same, and a new one for each write would be a load test of what costs Neutron most."""
LIST = ("ovn-nbctl", "--no-leader-only", "--timeout=10", "--format=csv", "--no-headings")


class NetworkWrite(Workload):
    """POST of a rule for TCP port ``number + 1``, acknowledged with 201.

    It is in a group of a project of the drill's own, without a quota, so that nobody's is used up. After
    `RULES` of them the next group is made, beside the writes; until it is there they go into the one before.
    """

    name = "network-write"
    summary = "makes a numbered rule of a security group: Neutron's database, then OVN's"
    service = "neutron"
    writes = True
    rate_hz = 1.0
    deadline_s = 3.0

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._client: aiohttp.ClientSession | None = None
        self._token, self._project = "", ""
        self._groups: list[str] = []
        self._asked = 0
        self._next: asyncio.Task[None] | None = None
        self._name = f"quorate-drill-{scene.run}"

    def budget(self, fault: str, service: str) -> float | None:
        """Any one node may be lost. OVN's databases elect a leader then, which is a part of it."""
        return budgets.of_cloud(fault, service, self.name, self.service)

    async def open(self) -> None:
        """A project with a quota of its own, and its first group."""
        self._token, _ = await login(self.scene)
        self._client = session(self.scene, keep=True)
        keystone = f"{base_url(self.scene, 'keystone')}/v3/projects"
        made = await self._ask("POST", keystone, 201, {"project": {"name": self._name}})
        self._project = made["project"]["id"]
        quota = {"quota": {"security_group": -1, "security_group_rule": -1}}
        await self._ask("PUT", self._url(f"/quotas/{self._project}"), 200, quota)
        await self._make_group()

    async def _make_group(self) -> None:
        group = {"security_group": {"name": self._name, "project_id": self._project}}
        made = await self._ask("POST", self._url("/security-groups"), 201, group)
        self._groups.append(str(made["security_group"]["id"]))
        self._asked = 0

    async def _make_next(self) -> None:
        with suppress(aiohttp.ClientError, OSError, Refused):  # the next write begins anew
            async with asyncio.timeout(GROUP_S):
                await self._make_group()

    def _url(self, path: str) -> str:
        return base_url(self.scene, self.service) + API + path

    async def _ask(
        self, method: str, url: str, status: int, body: object = None, attempt: Attempt | None = None
    ) -> dict[str, Any]:
        assert self._client is not None
        headers = {"X-Auth-Token": self._token, "Accept": "application/json"}
        async with self._client.request(
            method, url, json=body, headers=headers, trace_request_ctx=attempt
        ) as answer:
            text = await answer.text(errors="replace")
            if answer.status != status:
                raise Refused(f"HTTP {answer.status} {text[:80]}")
            return dict(await answer.json()) if status != 204 else {}

    async def request(self, attempt: Attempt) -> None:
        """One rule."""
        if self._asked >= RULES and (self._next is None or self._next.done()):
            self._next = asyncio.create_task(self._make_next())
        self._asked += 1
        rule = {
            "security_group_id": self._groups[-1],
            "project_id": self._project,
            "direction": "ingress",
            "ethertype": "IPv4",
            "protocol": "tcp",
            "port_range_min": attempt.number + 1,
            "port_range_max": attempt.number + 1,
        }
        attempt.sent = True
        body = {"security_group_rule": rule}
        await self._ask("POST", self._url("/security-group-rules"), 201, body, attempt)

    async def read_back(self) -> Sequence[ReadBack]:
        """What Neutron has, and what each copy of OVN's northbound database has; given time to agree."""
        ends = asyncio.get_running_loop().time() + COMPLETE_S
        while True:
            found = [
                await self._listed(),
                *await asyncio.gather(*(self._held(node) for node in self.scene.cluster.controllers)),
            ]
            agreed = len({each.keys for each in found}) == 1 and not any(each.error for each in found)
            if agreed or asyncio.get_running_loop().time() >= ends:
                return found
            await asyncio.sleep(AGAIN_S)

    async def _listed(self) -> ReadBack:
        path = f"/security-group-rules?project_id={self._project}&fields=port_range_min"
        try:
            async with asyncio.timeout(20):
                rules = (await self._ask("GET", self._url(path), 200))["security_group_rules"]
        except (aiohttp.ClientError, OSError, Refused) as error:
            return ReadBack(self.name, "Neutron", (), f"{type(error).__name__}: {error}")
        ports = (rule["port_range_min"] for rule in rules)
        return ReadBack(self.name, "Neutron", tuple(sorted(int(port) - 1 for port in ports if port)))

    async def _held(self, node: str) -> ReadBack:
        source = f"OVN on {node}"
        try:
            done = await self.scene.nodes.run(node, (*LIST, "--columns=match", "list", "ACL"), timeout_s=20)
        except TransportError as error:
            return ReadBack(self.name, source, (), str(error))
        if done.exit:
            return ReadBack(self.name, source, (), done.stderr.decode(errors="replace").strip()[-200:])
        return ReadBack(self.name, source, ports(done.stdout.decode(), self._groups))

    async def forget(self) -> None:
        """Delete the groups, the one that came with the project too, and with them all rules; the project."""
        if self._next is not None:
            await self._next
        mine = await self._ask("GET", self._url(f"/security-groups?project_id={self._project}"), 200)
        for group in mine["security_groups"]:
            await self._ask("DELETE", self._url(f"/security-groups/{group['id']}"), 204)
        await self._ask("DELETE", self._url(f"/quotas/{self._project}"), 204)
        await self._ask("DELETE", f"{base_url(self.scene, 'keystone')}/v3/projects/{self._project}", 204)

    async def close(self) -> None:
        """End the client."""
        if self._next is not None:
            self._next.cancel()
        if self._client is not None:
            await self._client.close()


def ports(acls: str, groups: Iterable[str]) -> tuple[int, ...]:
    """The numbers behind the rules of ``groups`` in what `LIST` prints of the matches of all ACLs.

    ML2/OVN matches ``outport == @pg_GROUP && ip4 && tcp && tcp.dst == PORT`` (neutron, ovn/acl.py).
    """
    names = {group.replace("-", "_") for group in groups}
    found = (re.search(r"@pg_(\w+) .*tcp\.dst == (\d+)", line) for line in acls.splitlines())
    return tuple(sorted(int(match[2]) - 1 for match in found if match and match[1] in names))


WORKLOAD = NetworkWrite
