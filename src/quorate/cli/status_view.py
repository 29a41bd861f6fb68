"""How a status looks on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from quorate.operations.status import Status

MARKS = {"ok": "✓", "degraded": "~", "failed": "✗", "unknown": "?"}
COLOURS = {
    "ok": "green",
    "degraded": "yellow",
    "failed": "red",
    "unknown": "magenta",
    "critical": "red",
    "warning": "yellow",
    "info": "cyan",
}


def show(status: Status) -> None:
    """Print ``status`` on standard output."""
    from quorate.cli.console import WIDE, console

    out = console()
    out.print(drawn(status, wide=out.width >= WIDE))


def drawn(status: Status, watched: bool = False, wide: bool = False) -> Group:
    """``status`` as something that rich can draw.

    Args:
        watched: add the time and how to leave.
        wide: there is room for what each service says of itself; otherwise only its state is shown.
    """
    from rich.console import Group
    from rich.text import Text

    document = status.as_json()
    head = _head(document)
    if watched:
        head.append(f"   {time.strftime('%H:%M:%S')}, Ctrl-C ends", style="dim")
    return Group(
        head,
        Text(),
        _nodes(document),
        Text(),
        _services(document, wide),
        *_facts(document),
        *_wrong(document),
    )


def _head(document: Mapping[str, Any]) -> Text:
    from rich.text import Text

    healthy, quorate = document["healthy"], document["quorate"]
    head = Text(str(document["cluster"]), style="bold")
    head.append("  healthy" if healthy else "  not healthy", style="bold green" if healthy else "bold red")
    head.append(", quorate" if quorate else ", no quorum", style="" if quorate else "bold red")
    head.append(f", DC {document['dc']}" if document["dc"] else ", no DC", style="dim")
    return head


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(*columns, box=SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _nodes(document: Mapping[str, Any]) -> Table:
    from rich.text import Text

    table = _table("node", "state", "virtual IPs")
    for node in document["nodes"]:
        words = [word for word in ("unclean", "standby", "maintenance", "pending") if node[word]]
        state = Text("online" if node["online"] else "offline", style="green" if node["online"] else "red")
        if words:
            state.append(", " + ", ".join(words), style="yellow")
        if not node["votes"]:
            state.append(", no vote", style="dim")
        if node["reachable"] and not node["online"]:
            state.append(", answers over SSH", style="dim")
        elif not node["reachable"]:
            state.append(f", power {node['power']}, SSH: {node['why']}", style="dim")
        held = [
            f"{vip['name']} {vip['address']}" for vip in document["vips"] if node["name"] in vip["holders"]
        ]
        table.add_row(node["name"], state, "\n".join(held))
    lost = [f"{vip['name']} {vip['address']}" for vip in document["vips"] if not vip["holders"]]
    if lost:
        table.add_row("", Text("on no node", style="bold red"), "\n".join(lost))
    return table


def _services(document: Mapping[str, Any], wide: bool) -> Table:
    from rich.text import Text

    names = [node["name"] for node in document["nodes"]]
    table = _table("service", "mode", *names)
    for service in document["services"]:
        if not service["nodes"]:
            continue
        states = {each["node"]: each for each in service["nodes"]}
        cells = []
        for name in names:
            each = states.get(name)
            if each is None:
                cells.append(Text("?" if _silent(document, name) else "-", style="dim"))
            else:
                state = each["state"]
                cells.append(Text(f"{MARKS[state]} {(wide and each['text']) or state}", style=COLOURS[state]))
        table.add_row(service["name"], service["mode"], *cells)
    return table


def _silent(document: Mapping[str, Any], name: str) -> bool:
    return any(node["name"] == name and not node["reachable"] for node in document["nodes"])


def _facts(document: Mapping[str, Any]) -> list[Text]:
    from rich.text import Text

    lines = [Text()]
    galera, rabbitmq, fencing = document["galera"], document["rabbitmq"], document["fencing"]
    if galera:
        writer = f"writer {galera['writer']}" if galera["writer"] else "writer not known"
        lines.append(Text(f"Galera    {galera['size']} of {galera['expected']} members, {writer}"))
    if rabbitmq:
        shown = ", ".join(rabbitmq["members"]) or "none"
        lines.append(Text(f"RabbitMQ  {len(rabbitmq['members'])} of {rabbitmq['expected']} members: {shown}"))
    devices = fencing["devices"]
    working = [device for device in devices if device["state"] == "tested"]
    lines.append(Text(f"Fencing   {len(working)} of {len(devices)} devices tested and working"))
    for event in fencing["recent"][:3]:
        when = event["completed"] or "now"
        lines.append(
            Text(f"          {event['action']} of {event['target']}: {event['status']} ({when})", style="dim")
        )
    return lines


def _wrong(document: Mapping[str, Any]) -> list[Text]:
    from rich.text import Text

    lines: list[Text] = []
    for problem in document["problems"]:
        line = Text("\n" if not lines else "")
        line.append(f"{problem['severity']:8} ", style=f"bold {COLOURS[problem['severity']]}")
        line.append(f"{problem['where']}: {problem['what']}\n")
        line.append(f"         next: {problem['next_step']}", style="dim")
        lines.append(line)
    return lines
