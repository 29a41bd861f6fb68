"""The database's resource agent, around one that says what the test wants."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from quorate.services.rendering import TEMPLATES

AGENT = TEMPLATES / "pacemaker/galera"
ORIGINAL = """
echo "asked to $1" >> "$OCF_ROOT/asked"
[ -z "$SAYS" ] || echo "ocf-exit-reason:$SAYS" >&2
exit $RESULT
"""
ALONE = "local node <c1> is started, but not in primary mode. Unknown state."


class Member:
    """A node's agent, its clock, and what the original says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        original = folder / "resource.d/heartbeat/galera"
        original.parent.mkdir(parents=True)
        original.write_text(ORIGINAL)
        logger = folder / "logger"
        logger.write_text('#!/bin/sh\necho "$3" >&2\n')
        logger.chmod(0o755)

    def asked(
        self, action: str, result: int, says: str = "", *, at: float = 100, interval: str = "20000"
    ) -> tuple[int, str]:
        """Exit code, and what Pacemaker hears, at ``at`` seconds since the node booted."""
        clock = self.folder / "uptime"
        clock.write_text(f"{at:.2f} 7.00\n")
        environment = {
            **os.environ,
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "OCF_ROOT": str(self.folder),
            "HA_RSCTMP": str(self.folder),
            "QUORATE_UPTIME": str(clock),
            "OCF_RESKEY_CRM_meta_interval": interval,
            "RESULT": str(result),
            "SAYS": says,
        }
        done = subprocess.run(
            ["bash", str(AGENT), action], env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr


@pytest.fixture
def member(tmp_path: Path) -> Member:
    return Member(tmp_path)


@pytest.mark.parametrize(("action", "result"), [("start", 0), ("promote", 1), ("stop", 0), ("monitor", 7)])
def test_everything_else_is_the_original(member: Member, action: str, result: int) -> None:
    assert member.asked(action, result, "why", at=5)[0] == result
    assert (member.folder / "asked").read_text() == f"asked to {action}\n"


def test_one_that_sees_no_majority_is_left_alone_for_two_minutes(member: Member) -> None:
    for at in (100, 120, 219):
        code, said = member.asked("monitor", 1, ALONE, at=at)
        assert code == 8 and f"since {at - 100} s" in said
    code, said = member.asked("monitor", 1, ALONE, at=220)
    assert code == 1 and f"ocf-exit-reason:{ALONE}" in said


def test_the_two_minutes_begin_anew_once_it_was_well(member: Member) -> None:
    assert member.asked("monitor", 1, ALONE, at=100)[0] == 8
    assert member.asked("monitor", 8, at=130) == (8, "")
    assert member.asked("monitor", 1, ALONE, at=300)[0] == 8


def test_any_other_failure_is_one_at_once(member: Member) -> None:
    code, said = member.asked("monitor", 1, "cannot be asked")
    assert code == 1 and "cannot be asked" in said
    assert member.asked("monitor", 7, "it does not run")[0] == 7


def test_a_probe_says_what_is(member: Member) -> None:
    """Pacemaker asks so where it does not know yet: what it hears decides what it starts."""
    assert member.asked("monitor", 1, ALONE, interval="0")[0] == 1
