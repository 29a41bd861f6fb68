"""The cluster as this node's Pacemaker sees it: crm_mon's own words, read by `quorate.pacemaker.state`."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from quorate.node import tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Run ``args["argv"]`` and return its output as ``xml``.

    Raises:
        Failed: Pacemaker does not run here, or did not answer in time.
    """
    done = tools.run(args["argv"], timeout_s=float(args.get("timeout_s", 3.5)))
    if done.exit != 0 or not done.out.strip():
        raise tools.Failed("Pacemaker does not answer here", reason(done.out) or done.words)
    return {"xml": done.out}


def reason(xml: str) -> str:
    """What crm_mon says in ``<status>`` when it could not do what it was asked, or ""."""
    try:
        status = ET.fromstring(xml).find("status")
    except ET.ParseError:
        return ""
    if status is None:
        return ""
    return ": ".join(filter(None, (status.get("message"), *(each.text for each in status.iter("error")))))
