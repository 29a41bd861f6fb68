"""Horizon's panels, as a browser uses them: each answers, says no error, and shows what is there.

Horizon turns errors of the services behind it into messages, in a page that is otherwise fine (status 200).
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from quorate.errors import QuorateError
from quorate.services.base import Outside
from quorate.services.clients import cloud as clouds
from quorate.services.clients import dashboard, volume
from quorate.services.clients.cloud import Cloud

SAYS = re.compile(r'<div class="alert alert-danger alert-dismissable[^>]*>.*?<p>(.*?)</p>', re.DOTALL)
"""A message of an error in a page: templates/horizon/_messages.html of Horizon 25."""
TOAST = re.compile(r"horizon\.toast\.add\('error', '([^']*)'")
"""One that a script of the page shows: project/instances/_detail_console.html."""
MESSAGES = "X-Horizon-Messages"
"""Messages beside an answer to a script."""
GREETING = b"RFB "
"""What a server's screen says first (RFC 6143, 7.1.1)."""
SCRIPT = {"X-Requested-With": "XMLHttpRequest"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC2JpQ9tPzHrVEyCJelt7HAs1EeyjzZRTikHmVgeAk35 quorate-verify"
"""Half of a pair whose other half nobody has."""


@dataclass(frozen=True)
class Panel:
    """A page of Horizon.

    Args:
        service: quorate's name of the service whose things it shows.
        path: of the page, below ``/horizon``.
        asks: what the page's own script asks for, where the page itself holds nothing.
        kind: what of `things` it has to show.
    """

    service: str
    path: str
    asks: str = ""
    kind: str = ""


PANELS = (
    Panel("nova", "/project/"),
    Panel("nova", "/project/instances/", kind="server"),
    Panel("nova", "/project/key_pairs/", asks="/api/nova/keypairs/", kind="key pair"),
    Panel("nova", "/admin/hypervisors/", kind="hypervisor"),
    Panel("glance", "/project/images/", asks="/api/glance/images/", kind="image"),
    Panel("neutron", "/project/networks/", kind="network"),
    Panel("neutron", "/project/network_topology/", asks="/project/network_topology/json", kind="network"),
    Panel("neutron", "/project/routers/"),
    Panel("neutron", "/project/security_groups/"),
    Panel("neutron", "/project/floating_ips/"),
    Panel("cinder", "/project/volumes/", kind="volume"),
    Panel("cinder", "/project/snapshots/"),
    Panel("swift", "/project/containers/", asks="/api/swift/containers/", kind="container"),
)


async def show(outside: Outside, *, services: Collection[str]) -> str:
    """Every panel of ``services`` answers, says no error, and shows what is there. For ``verify``.

    An image, a network, a container and a key pair are made for it and deleted again. Of servers, hypervisors
    and volumes it has to show the newest.
    """
    panels = [panel for panel in PANELS if panel.service in services]
    seen = set()
    async with (
        clouds.login(outside) as cloud,
        things(cloud, services) as made,
        dashboard.browser(outside) as client,
    ):
        await dashboard.enter(client, outside, project_id=cloud.project_id)
        for panel in panels:
            name = made.get(panel.kind) or await newest(cloud, panel.kind)
            text = "".join([await page(client, outside, path) for path in (panel.path, panel.asks) if path])
            if not name:
                continue
            if html.escape(name) in text:
                seen.add(panel.kind)
            # What others made may be gone again meanwhile.
            elif panel.kind in made or await newest(cloud, panel.kind) == name:
                raise QuorateError(f"does not show the {panel.kind} {name}", where=panel.path)
    return f"{len(panels)} panels without an error, in them the {', '.join(sorted(seen))}"


async def page(client: aiohttp.ClientSession, outside: Outside, path: str) -> str:
    """The text of a page or of what a script asks for.

    Raises:
        QuorateError: it is not there, leads to the log-in, or says that something went wrong.
    """
    headers = SCRIPT if "/api/" in path else {}
    async with client.get(dashboard.url(outside, path), headers=headers) as answer:
        text = await answer.text()
        served = answer.headers.get("X-Served-By", "?")
        if answer.url.path.startswith(dashboard.LOGIN):
            raise QuorateError(f"{served} asks to log in again", where=path)
        if answer.status != 200:
            raise QuorateError(f"{served} answered {answer.status}", where=path, evidence=text[:300])
        if said := errors(text, answer.headers):
            raise QuorateError(f"{served} says: {said[0]}", where=path)
    return text


def errors(text: str, headers: Mapping[str, str] | None = None) -> list[str]:
    """What a page says that went wrong, as plain words."""
    said = [*SAYS.findall(text), *TOAST.findall(text)]
    words = [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", one)).split())[:300] for one in said]
    beside = (headers or {}).get(MESSAGES, "")
    return [*words, *([beside[:300]] if '"error' in beside else [])]


async def console(outside: Outside, server: str, who: clouds.Who | None = None) -> str:
    """The console of ``server``, opened as the instance's page opens it: its screen says its greeting.

    Args:
        outside: where the cloud is.
        server: id; it runs.
        who: whose it is; ``admin``'s where nobody is named.

    Returns:
        The console's page, without the token that opens it.

    Raises:
        QuorateError: Horizon has no console, the page or the connection behind it does not work.
    """
    async with clouds.login(outside, who) as cloud, dashboard.browser(outside) as client:
        await dashboard.enter(client, outside, who, project_id=cloud.project_id)
        path = f"/project/instances/{server}/?tab=instance_details__console"
        text = await page(client, outside, path)
        found = re.search(r'<iframe id="console_embed" src="([^"]+)"', text)
        if found is None:
            raise QuorateError("the page of the server has no console in it", where=path)
        address = html.unescape(found[1])
        shown = address.partition("?")[0]
        async with client.get(address) as answer:
            if answer.status != 200 or "noVNC" not in await answer.text(errors="replace"):
                raise QuorateError(f"answered {answer.status}, without a console in it", where=shown)
        # As noVNC puts it together: the parameter "path" is what follows the host.
        origin = answer.url.origin()
        socket = f"{origin}/{answer.url.query.get('path', '')}"
        async with client.ws_connect(socket, protocols=("binary",), origin=str(origin)) as screen:
            first = await screen.receive_bytes(timeout=20)
        if not first.startswith(GREETING):
            raise QuorateError(f"the screen says {first[:20]!r}, not what a screen says", where=shown)
    return f"{shown} says {first.decode('ascii', 'replace').strip()}"


@asynccontextmanager
async def things(cloud: Cloud, services: Collection[str]) -> AsyncIterator[dict[str, str]]:
    """Things to be shown, made for it: kind to name. They are deleted at the end."""
    name = f"quorate-verify-{secrets.token_hex(4)}"
    there: dict[str, str] = {}
    made: list[tuple[str, str]] = []
    try:
        if "glance" in services:
            image = {"name": name, "disk_format": "raw", "container_format": "bare"}
            made.append(
                ("image", f"/v2/images/{(await cloud.call('POST', 'image', '/v2/images', image))['id']}")
            )
            there["image"] = name
        if "neutron" in services:
            body = {"network": {"name": name}}
            network = (await cloud.call("POST", "network", "/v2.0/networks", body))["network"]
            made.append(("network", f"/v2.0/networks/{network['id']}"))
            there["network"] = name
        if "swift" in services:
            await cloud.call("PUT", "object-store", f"/{name}", b"")
            made.append(("object-store", f"/{name}"))
            there["container"] = name
        if "nova" in services:
            body = {"keypair": {"name": name, "public_key": KEY}}
            await cloud.call("POST", "compute", "/os-keypairs", body)
            made.append(("compute", f"/os-keypairs/{name}"))
            there["key pair"] = name
        yield there
    finally:
        for service, path in made:
            await cloud.call("DELETE", service, path, good=(200, 202, 204, 404))


async def newest(cloud: Cloud, kind: str) -> str:
    """Name of the newest server or volume, or of a hypervisor; "" where there is none, and of other kinds."""
    if kind == "server":
        found = (await cloud.call("GET", "compute", "/servers?limit=1"))["servers"]
    elif kind == "hypervisor":
        found = (await cloud.call("GET", "compute", "/os-hypervisors"))["hypervisors"]
    elif kind == "volume":
        found = (await volume.call(cloud, "GET", "/volumes?limit=1"))["volumes"]
    else:
        return ""
    return str(found[0].get("hypervisor_hostname") or found[0]["name"] or found[0]["id"]) if found else ""
