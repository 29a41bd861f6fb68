"""Horizon's panels: errors of the services behind it are found in pages that are otherwise fine."""

from __future__ import annotations

import pytest

from quorate.services.clients.panels import PANELS, errors
from quorate.services.registry import available

FINE = """<div class="alert alert-danger text-center javascript-disabled">It requires JavaScript.</div>
<div class="messages">
<div class="alert alert-success alert-dismissable fade in"><p>Success: saved</p></div></div>"""
BROKEN = """<div class="messages"><toast></toast>
    <div class="alert alert-danger alert-dismissable fade in">
      <a class="close" data-dismiss="alert" href="#"><span class="fa fa-times"></span></a>
      <p>
        <strong>Error: </strong>Unable to retrieve details for network &quot;0&quot;.
            <a href="#message_details" data-toggle="collapse">Details</a>
            <div id="message_details_1" class="collapse">Network 0 could not be found.</div>
      </p>
    </div></div>"""
"""As Horizon 25.3 answered, with status 200, when the network was not there."""


def test_a_page_without_an_error_says_none() -> None:
    assert errors(FINE) == []


def test_an_error_in_a_page_is_told_in_its_words() -> None:
    (said,) = errors(FINE + BROKEN)
    assert said.startswith('Error: Unable to retrieve details for network "0".')
    assert said.endswith("Network 0 could not be found.")


def test_an_error_that_a_script_shows_is_found() -> None:
    page = "<script>horizon.toast.add('error', 'Console is currently unavailable.');</script>"
    assert errors(page) == ["Console is currently unavailable."]


@pytest.mark.parametrize(
    ("beside", "wrong"),
    [('[["error", "Unable to list", ""]]', True), ('[["success", "Saved", ""]]', False), ("", False)],
)
def test_an_error_beside_an_answer_to_a_script_is_found(beside: str, wrong: bool) -> None:
    assert bool(errors("{}", {"X-Horizon-Messages": beside})) is wrong


def test_panels_are_of_services_that_there_may_be() -> None:
    assert {panel.service for panel in PANELS} - set(available()) <= {"cinder"}
