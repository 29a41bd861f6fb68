"""What Pacemaker would do if: its own scheduler, asked without anything being done (crm_simulate(8)).

Two programs on a member: `simulation` plays the event and writes the cluster that it leads to, `afterwards`
shows that cluster in the words that `state.parse` reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from quorate.pacemaker import state


def simulation(
    after: str, *, fail: Sequence[str] = (), down: Sequence[str] = (), quorate: bool = True
) -> list[str]:
    """The command that plays an event against the running cluster; its output names each action.

    Args:
        after: path on the node for the CIB that it leads to.
        fail: nodes that vanish, and so have to be fenced.
        down: nodes that leave in good order.
        quorate: whether those that are left have quorum. It must be said: otherwise nothing is played.
    """
    argv = ["crm_simulate", "--live-check", "--simulate", f"--quorum={str(quorate).lower()}"]
    argv += [f"--node-fail={node}" for node in fail]
    argv += [f"--node-down={node}" for node in down]
    return [*argv, f"--save-output={after}"]


def afterwards(after: str) -> list[str]:
    """The command that shows the cluster of the CIB in ``after``, for `state.parse`."""
    return ["env", f"CIB_file={after}", *(word for word in state.COMMAND if not word.startswith("--fence"))]
