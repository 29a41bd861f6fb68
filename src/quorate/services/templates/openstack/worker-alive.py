"""worker-alive.py CONFIG URL BINARY [broker]: whether a worker here is alive. For Pacemaker.

Ends with 1 where the worker has given no sign of life for SILENT_S although others have: then it hangs, or
has lost what it works with for good, and starting it again helps; with "broker" also where it has no
connection to a message broker. Ends with 0 where that cannot be told: Keystone or the API does not answer, or
nobody's signs arrive. That is not mended here. URL is the API's list of services (…/os-services). Standard
library only.
"""

from __future__ import annotations

import configparser
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path("/run/quorate")
"""For the tokens; readable by root only."""
KEPT_S = 1500.0
"""A token is used for so long: less than half of its life."""
TIMEOUT_S = 4.0
SILENT_S = 60.0
"""More than a message broker, or the database, needs to move to another node."""
BROKER_PORT = "5672"
CONNECTED = "/usr/local/lib/quorate/connected"


def ask(url: str, ca: str, token: str = "", body: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
    """Headers and JSON of the answer. Raises OSError where none came or its status is an error."""
    headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
    data = None if body is None else json.dumps(body).encode()
    context = ssl.create_default_context(cafile=ca)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(urllib.request.Request(url, data, headers), timeout=TIMEOUT_S) as answer:
        return answer.headers, json.loads(answer.read())


def issue(account: configparser.SectionProxy) -> str:
    """A token of the service's own account."""
    user = {"name": account["username"], "domain": {"id": "default"}, "password": account["password"]}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": account["project_name"], "domain": {"id": "default"}}}
    body = {"auth": {"identity": identity, "scope": scope}}
    headers, _ = ask(account["auth_url"] + "/auth/tokens", account["cafile"], body=body)
    return str(headers["X-Subject-Token"])


def kept(path: Path) -> str:
    """The token of the last time, or nothing."""
    try:
        return path.read_text() if time.time() - path.stat().st_mtime < KEPT_S else ""
    except FileNotFoundError:
        return ""


def keep(path: Path, token: str) -> None:
    """For the next time."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token)
    new.rename(path)


def services(account: configparser.SectionProxy, url: str) -> list[dict[str, Any]]:
    """The services at ``url``, as the API sees them. Raises OSError where they cannot be asked for."""
    path = FOLDER / f"{account['username']}-token"
    token = kept(path)
    for attempt in (1, 2):
        if not token:
            token = issue(account)
            keep(path, token)
        try:
            return list(ask(url, account["cafile"], token)[1]["services"])
        except urllib.error.HTTPError as error:
            if error.code != 401 or attempt == 2:
                raise
            token = ""
    raise AssertionError("not reached")


def called(config: configparser.RawConfigParser, binary: str) -> str:
    """What the worker on this node is called among the services: at the storage, after its backend."""
    host = config["DEFAULT"]["host"]
    if binary != "cinder-volume":
        return host
    backend = config["DEFAULT"]["enabled_backends"]
    return f"{config[backend].get('backend_host', host)}@{backend}"


def verdict(found: list[dict[str, Any]], binary: str, host: str, now: datetime) -> tuple[int, str]:
    """Exit code and why, from what the API says of the services, and the time (UTC, without a zone)."""
    own = [one for one in found if one["binary"] == binary and one["host"] == host]
    others = [one for one in found if one not in own and one["state"] == "up"]
    if not others:
        return 0, f"nobody's signs of life arrive: not the fault of {binary}"
    if not own:
        return 1, f"its API has never heard of this {binary}"
    if own[0]["state"] == "up":
        return 0, "alive"
    last = own[0].get("updated_at") or "1970-01-01T00:00:00"
    silent = (now - datetime.fromisoformat(last)).total_seconds()
    if silent < SILENT_S:
        return 0, f"silent for {silent:.0f} s: soon to be restarted"
    return 1, f"no sign of life since {last}"


def connected(binary: str) -> bool:
    """Whether a process of the unit has a connection to a message broker."""
    return subprocess.run([CONNECTED, f"{binary}.service", BROKER_PORT], check=False).returncode == 0


def main(path: str, url: str, binary: str, broker: str = "") -> int:
    """Ask, and say it."""
    config = configparser.RawConfigParser(strict=False)
    config.read(path)
    if broker and not connected(binary):
        return 1
    try:
        now = datetime.now(UTC).replace(tzinfo=None)
        found = services(config["service_user"], url)
        code, why = verdict(found, binary, called(config, binary), now)
    except (OSError, ValueError, KeyError) as error:
        code, why = 0, f"cannot be asked for: {error}"
    sys.stdout.write(why + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
