"""The promises of the project, as the budgets that drills are judged by."""

from __future__ import annotations

import pytest

from quorate.drill.budgets import budget
from quorate.drill.drills import catalogue


@pytest.mark.parametrize(
    ("fault", "service", "endpoint", "endpoint_service", "seconds"),
    [
        ("power-off", "", "keystone-token", "keystone", 3.0),
        ("power-off", "", "database-write", "galera", 2.5),
        ("power-off", "", "message-publish", "rabbitmq", 2.5),
        ("power-off", "", "unheard-of", "web", None),
        ("kill", "keystone", "keystone-read", "keystone", 0.0),
        ("hang", "keystone", "keystone-read", "keystone", 2.0),
        ("kill", "galera", "database-write", "galera", 2.5),
        ("kill", "galera", "keystone-read", "keystone", 3.0),
        ("kill", "keystone", "message-publish", "rabbitmq", 2.0),
        ("blackout", "", "keystone-token", "keystone", 300.0),
    ],
)
def test_promises(
    fault: str, service: str, endpoint: str, endpoint_service: str, seconds: float | None
) -> None:
    assert budget(fault, service, endpoint, endpoint_service) == seconds


def test_everything_has_a_page_or_a_line() -> None:
    """Being a file in its folder is all that it takes to be found."""
    found = catalogue()
    assert set(found["faults"]) >= {"power-off", "kill", "hang", "blackout", "freeze", "isolate"}
    assert {"keystone-token", "database-write", "message-publish"} <= set(found["workloads"])
    assert all(summary for entries in found.values() for summary in entries.values())
