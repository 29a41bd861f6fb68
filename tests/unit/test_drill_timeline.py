"""Log lines as the nodes really write them, and what they are taken to mean."""

from __future__ import annotations

import json

import pytest

from quorate.drill.journals import from_file, from_journal
from quorate.drill.timeline import read


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("[TOTEM ] Token has not been received in 300 ms ", ("token late", "300 ms")),
        (
            "[TOTEM ] A processor failed, forming new configuration: token timed out (400ms), waiting 480ms",
            ("detected", ""),
        ),
        ("[TOTEM ] A new membership (2.1b) was formed. Members left: 1", ("membership", "2.1b")),
        ("[KNET  ] link: host: 1 link: 0 is down", ("link", "host: 1 link: 0")),
        (
            "Operation 'reboot' targeting c1 by c2 for pacemaker-controld.812@c3: OK (Done)",
            ("fenced", "c1"),
        ),
        (
            "Operation 'reboot' targeting c1 by c2 for pacemaker-controld.812@c3: Error occurred (No data)",
            ("fence failed", "c1"),
        ),
        ("Result of start operation for vip-keystone on c2: OK", ("VIP started", "vip-keystone")),
        ("Result of monitor operation for vip-keystone on c2: OK", None),
        ("Server galera/c1 is DOWN, reason: Layer4 timeout", ("server out", "galera/c1")),
        ("rabbit on node rabbit@c1 down", ("broker", "rabbit@c1")),
        ("Finished logrotate.service", None),
    ],
)
def test_meanings(line: str, meaning: tuple[str, str] | None) -> None:
    assert read(line) == meaning


def test_the_journal_has_microseconds() -> None:
    row = json.dumps(
        {
            "__REALTIME_TIMESTAMP": "1763800000123456",
            "MESSAGE": "[TOTEM ] A new membership (2.1b) was formed.",
            "SYSLOG_IDENTIFIER": "corosync",
        }
    )
    binary = json.dumps({"__REALTIME_TIMESTAMP": "1", "MESSAGE": [1, 2]})
    (line,) = from_journal(f"{row}\n{binary}\n")
    assert (line.wall, line.what) == (1763800000.123456, "membership")
    assert line.text.startswith("corosync: ")


def test_other_logs_say_how_exact_they_are() -> None:
    galera = "2026-11-22 11:35:05 0 [Note] WSREP: suspecting node: 8a1b"
    rabbit = "2026-11-22 11:35:05.250000+00:00 [info] <0.5.0> rabbit on node rabbit@c1 down"
    coarse, exact = from_file(f"{galera}\n{rabbit}\nnothing\n", "+01:00")
    assert exact.wall - coarse.wall == pytest.approx(3600.25)
    assert "whole seconds" in coarse.text
    assert "whole seconds" not in exact.text
