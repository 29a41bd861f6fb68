"""What Pacemaker would do if: its own scheduler, asked without anything being done (crm_simulate(8)).

`started` turns a configuration that never ran into a cluster in which all of it runs; `simulation` plays an
event, against that or against the running cluster, and writes the cluster that it leads to; `afterwards`
shows that one in the words that `state.parse` reads. They need Pacemaker's tools, not a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence

from quorate.pacemaker import state


def started(configuration: str, after: str, nodes: Sequence[str]) -> list[str]:
    """The command that brings all ``nodes`` up with the configuration in the file ``configuration``.

    Args:
        after: path for the CIB that it leads to.
    """
    up = [f"--node-up={node}" for node in nodes]
    source = f"--xml-file={configuration}"
    return ["crm_simulate", source, "--simulate", "--quorum=true", *up, f"--save-output={after}"]


def simulation(
    after: str,
    *,
    source: str = "",
    fail: Sequence[str] = (),
    down: Sequence[str] = (),
    up: Sequence[str] = (),
    quorate: bool = True,
) -> list[str]:
    """The command that plays an event; its output names each action.

    Args:
        after: path for the CIB that it leads to.
        source: path of the CIB that it starts from; "" for the running cluster.
        fail: nodes that vanish, and so have to be fenced.
        down: nodes that leave in good order.
        up: nodes that come back.
        quorate: whether those that are left have quorum. It must be said: otherwise nothing is played.
    """
    argv = ["crm_simulate", f"--xml-file={source}" if source else "--live-check"]
    argv += ["--simulate", f"--quorum={str(quorate).lower()}"]
    argv += [f"--node-fail={node}" for node in fail]
    argv += [f"--node-down={node}" for node in down]
    argv += [f"--node-up={node}" for node in up]
    return [*argv, f"--save-output={after}"]


def afterwards(after: str) -> list[str]:
    """The command that shows the cluster of the CIB in ``after``, for `state.parse`."""
    return ["env", f"CIB_file={after}", *(word for word in state.COMMAND if not word.startswith("--fence"))]


def fenced(said: str) -> tuple[str, ...]:
    """The nodes that `simulation`, whose output is ``said``, has fenced, in the order in which it does so."""
    words = (line.split() for line in said.splitlines())
    return tuple(line[2] for line in words if line[:2] == ["*", "Fencing"])
