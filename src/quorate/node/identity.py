"""Accounts of services and the catalogue in Keystone: looked at in the database, made through the API.

One session with the database tells all of them. A password is checked against its hash (bcrypt: a fifth of a
second by design) only once: that a hash belongs to a password is remembered in ``kept``, as a digest of both.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
from typing import Any

from quorate.node import openstack, sql, tools

INTERFACES = ("admin", "internal", "public")
NOT_THERE = ("ERROR 1049", "ERROR 1146")
"""No such database, no such table (MariaDB error code reference): nothing was made yet."""
Rows = list[list[str]]


def look(args: dict[str, Any]) -> dict[str, Any]:
    """What is not as it should be.

    Args:
        args: ``database`` of Keystone; ``project`` and ``region``; ``accounts``, each with ``name``,
            ``password`` and ``roles`` in that project; ``entries`` of the catalogue, each with ``type``,
            ``name`` and ``url``; ``kept``, a path; ``access`` and ``wait_s``, for the fix.

    Returns:
        ``wrong``: a few words for each, no secret in them.
    """
    rows = _ask(args)
    return {"wrong": [*_accounts(args, rows).values(), *_entries(args, rows)]}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Wait for Keystone, then make or correct what is wrong, and leave the rest alone."""
    issued: list[str] = []
    reasons: list[str] = []

    def serves() -> bool:
        try:
            issued.append(openstack.issue(args["access"]))
        except (OSError, ValueError) as error:
            reasons.append(str(error))
        return bool(issued)

    if not tools.wait_until(serves, args["wait_s"]):
        raise tools.Failed(f"Keystone issues no token for {args['wait_s']:g} s", reasons[-1])
    _Mend(args, issued[0]).everything()


def _ask(args: dict[str, Any]) -> dict[str, Rows]:
    """Rows of the database by what they are. Empty where Keystone has no tables yet."""
    names = ", ".join(f"'{account['name']}'" for account in args["accounts"]) or "''"
    ours = f"lu.domain_id = 'default' AND lu.name IN ({names})"
    script = (
        # What was just made through another node's database is waited for.
        "SET SESSION wsrep_sync_wait = 1;\n"
        "SELECT 'user', lu.name, u.enabled, COALESCE((SELECT p.password_hash FROM password p WHERE"
        " p.local_user_id = lu.id ORDER BY p.created_at_int DESC, p.id DESC LIMIT 1), '')"
        f" FROM local_user lu JOIN user u ON u.id = lu.user_id WHERE {ours};\n"
        "SELECT 'role', lu.name, r.name FROM assignment a JOIN local_user lu ON lu.user_id = a.actor_id"
        " JOIN role r ON r.id = a.role_id JOIN project p ON p.id = a.target_id WHERE a.type = 'UserProject'"
        f" AND p.domain_id = 'default' AND p.name = '{args['project']}' AND {ours};\n"
        "SELECT 'service', id, type, enabled, COALESCE(JSON_VALUE(extra, '$.name'), '') FROM service;\n"
        "SELECT 'endpoint', service_id, interface, url, enabled FROM endpoint"
        f" WHERE region_id = '{args['region']}';\n"
    )
    done = sql.client(script, args["database"])
    if done.exit != 0 and not done.err.startswith(NOT_THERE):
        kind = tools.NotReady if done.err.startswith(sql.NOT_YET) else tools.Failed
        raise kind("the database does not tell the accounts", done.words)
    found: dict[str, Rows] = {"user": [], "role": [], "service": [], "endpoint": []}
    for line in done.out.splitlines() if done.exit == 0 else ():
        what, *fields = line.split("\t")
        found[what].append(fields)
    return found


def _accounts(args: dict[str, Any], rows: dict[str, Rows]) -> dict[str, str]:
    """Account to what is wrong with it."""
    users = {name: (enabled, stored) for name, enabled, stored in rows["user"]}
    roles: dict[str, set[str]] = {}
    for name, role in rows["role"]:
        roles.setdefault(name, set()).add(role)
    wrong, passwords = {}, _Passwords(args["kept"])
    for account in args["accounts"]:
        name = account["name"]
        enabled, stored = users.get(name, ("", ""))
        missing = sorted(set(account["roles"]) - roles.get(name, set()))
        if name not in users:
            wrong[name] = f"account {name}: is not there"
        elif enabled != "1":
            wrong[name] = f"account {name}: is disabled"
        elif not passwords.right(name, stored, account["password"]):
            wrong[name] = f"account {name}: has another password"
        elif missing:
            wrong[name] = f"account {name}: lacks {', '.join(missing)} in the project {args['project']}"
    passwords.keep()
    return wrong


def _entries(args: dict[str, Any], rows: dict[str, Rows]) -> list[str]:
    wrong = []
    for entry in args["entries"]:
        what = f"catalogue {entry['type']}"
        services = [row for row in rows["service"] if row[1] == entry["type"]]
        if not services:
            wrong.append(f"{what}: is not there")
            continue
        identifier, _, enabled, name = services[0]
        found = sorted(row[1:] for row in rows["endpoint"] if row[0] == identifier)
        urls = sorted({url for _, url, _ in found if url != entry["url"]})
        if len(services) > 1:
            wrong.append(f"{what}: is there {len(services)} times")
        elif enabled != "1" or name != entry["name"]:
            wrong.append(f"{what}: is called {name}" if enabled == "1" else f"{what}: is disabled")
        elif urls:
            wrong.append(f"{what}: leads to {', '.join(urls)}")
        elif found != [[interface, entry["url"], "1"] for interface in INTERFACES]:
            wrong.append(f"{what}: does not have each of {', '.join(INTERFACES)} once")
    return wrong


class _Passwords:
    """Which hash belongs to which password: told by libcrypt, or remembered from the last time."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, encoding="ascii") as file:
                self.known = set(json.load(file))
        except (FileNotFoundError, ValueError):
            self.known = set()
        self.used: set[str] = set()

    def right(self, name: str, stored: str, password: str) -> bool:
        """Whether ``stored`` is a hash of ``password``."""
        if not stored:
            return False
        digest = hashlib.sha256("\0".join((name, stored, password)).encode()).hexdigest()
        if digest not in self.known and not hashes_to(password, stored):
            return False
        self.used.add(digest)
        return True

    def keep(self) -> None:
        """Remember what was found right, and forget the rest."""
        if self.used == self.known:
            return
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        temporary = f"{self.path}.{os.getpid()}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(sorted(self.used), file)
        os.replace(temporary, self.path)


def hashes_to(password: str, stored: str) -> bool:
    """Whether ``stored`` ("$2b$12$…") is a hash of ``password``, by crypt(3)."""
    library = ctypes.CDLL("libcrypt.so.1", use_errno=True)
    library.crypt.restype = ctypes.c_char_p
    library.crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
    made = library.crypt(password.encode(), stored.encode())
    return made is not None and made.decode("ascii", errors="replace") == stored


class _Mend:
    """Makes accounts and entries through Keystone's API, which forgets what it cached about them."""

    def __init__(self, args: dict[str, Any], token: str) -> None:
        self.args = args
        self.access = args["access"]
        self.token = token

    def everything(self) -> None:
        rows = _ask(self.args)
        wrong = _accounts(self.args, rows)
        if wrong:
            project = self._one("projects", f"name={self.args['project']}&domain_id=default")
            if project is None:
                body = {"name": self.args["project"], "domain_id": "default", "description": "Services' own"}
                project = self._send("POST", "/projects", {"project": body})["project"]
            for account in self.args["accounts"]:
                if account["name"] in wrong:
                    self._account(account, project["id"], wrong[account["name"]])
        if _entries(self.args, rows):
            for entry in self.args["entries"]:
                self._entry(entry)

    def _account(self, account: dict[str, Any], project: str, wrong: str) -> None:
        user = self._one("users", f"name={account['name']}&domain_id=default")
        body = {"password": account["password"], "enabled": True}
        if user is None:
            fields = {"name": account["name"], "domain_id": "default", **body}
            user = self._send("POST", "/users", {"user": fields})["user"]
        elif "lacks" not in wrong:  # A new password voids the tokens of the old one: only where it has to be.
            self._send("PATCH", f"/users/{user['id']}", {"user": body})
        for name in account["roles"]:
            role = self._one("roles", f"name={name}")
            if role is None:
                role = self._send("POST", "/roles", {"role": {"name": name}})["role"]
            self._send("PUT", f"/projects/{project}/users/{user['id']}/roles/{role['id']}")

    def _entry(self, entry: dict[str, Any]) -> None:
        services = self._all("services", f"type={entry['type']}")
        first = services[0] if services else None
        for other in services[1:]:
            self._send("DELETE", f"/services/{other['id']}")
        fields = {"name": entry["name"], "type": entry["type"], "enabled": True}
        if first is None:
            first = self._send("POST", "/services", {"service": fields})["service"]
        elif any(first.get(key) != value for key, value in fields.items()):
            self._send("PATCH", f"/services/{first['id']}", {"service": fields})
        query = f"service_id={first['id']}&region_id={self.args['region']}"
        there = self._all("endpoints", query)
        for interface in INTERFACES:
            mine = [endpoint for endpoint in there if endpoint["interface"] == interface]
            wanted = {"url": entry["url"], "enabled": True}
            for surplus in mine[1:]:
                self._send("DELETE", f"/endpoints/{surplus['id']}")
            if not mine:
                place = {"service_id": first["id"], "region_id": self.args["region"], "interface": interface}
                self._send("POST", "/endpoints", {"endpoint": {**place, **wanted}})
            elif any(mine[0].get(key) != value for key, value in wanted.items()):
                self._send("PATCH", f"/endpoints/{mine[0]['id']}", {"endpoint": wanted})

    def _one(self, what: str, query: str) -> dict[str, Any] | None:
        found = self._all(what, query)
        return found[0] if found else None

    def _all(self, what: str, query: str) -> list[dict[str, Any]]:
        return list(self._send("GET", f"/{what}?{query}")[what])

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = openstack.ask(
            self.access["url"] + path,
            token=self.token,
            method=method,
            body=body,
            timeout_s=float(self.access["timeout_s"]),
            ca=self.access.get("ca", ""),
        )
        if answer.status >= 300:
            said = str(answer.body.get("error", {}).get("message", ""))
            raise tools.Failed(f"{method} {path.partition('?')[0]} was answered with {answer.status}", said)
        return answer.body
