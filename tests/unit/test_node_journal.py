"""Log lines of requests: which are carried home."""

from __future__ import annotations

import json

import pytest

from quorate.node import journal, rbd, tools


def said(*messages: object) -> str:
    """As journalctl says it, the newest first."""
    entries = [
        {"MESSAGE": message, "_SYSTEMD_UNIT": "nova-api.service", "__REALTIME_TIMESTAMP": str(number)}
        for number, message in enumerate(messages)
    ]
    return "\n".join(json.dumps(entry) for entry in reversed(entries))


def test_errors_come_before_the_rest_and_the_newest_stay() -> None:
    found = journal.chosen(said("INFO one", "ERROR two", "INFO three", "WARNING four", "INFO five"), 3)
    assert found == ["nova-api: ERROR two", "nova-api: WARNING four", "nova-api: INFO five"]
    assert journal.chosen(said(*(f"ERROR {number}" for number in range(5))), 2) == [
        "nova-api: ERROR 3",
        "nova-api: ERROR 4",
    ]


def test_lines_are_short_and_bytes_are_left_out() -> None:
    (line,) = journal.chosen(said([1, 2, 3], "INFO " + "x" * 1000), 5)
    assert len(line) == journal.LENGTH


def test_no_lines_are_no_error_and_a_journal_that_cannot_be_read_is(monkeypatch: pytest.MonkeyPatch) -> None:
    args = {"ids": ["req-1"], "since_s": 30, "lines": 5, "timeout_s": 1}
    seen: list[list[str]] = []

    def run(words: list[str], **_: object) -> tools.Done:
        seen.append(words)
        return tools.Done(1, "-- No entries --\n", "")

    monkeypatch.setattr(tools, "run", run)
    assert journal.look(args) == {"lines": []}
    assert "--since=-30s" in seen[0] and r"--grep=req\-1" in seen[0]
    monkeypatch.setattr(tools, "run", lambda *_, **__: tools.Done(2, "", "no such option"))
    with pytest.raises(tools.Failed, match="ended with 2"):
        journal.look(args)


def test_block_devices_in_the_trash_are_listed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: list[str], *_: object, **__: object) -> tools.Done:
        names = [{"id": "1", "name": "old"}] if "trash" in words else ["new"]
        return tools.Done(0, json.dumps(names), "")

    monkeypatch.setattr(tools, "check", run)
    assert rbd.look({"pool": "vms", "client": "nova", "timeout_s": 1}) == {"names": ["new", "old"]}
