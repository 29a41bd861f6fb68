"""A BMC, asked through the fence agent with the very settings that the cluster will use."""

from __future__ import annotations

from typing import Any

from quorate.node import tools

WAITS = True
PATIENCE_S = 8
"""How long the agent waits for an answer of the BMC before it gives up (its option power_timeout)."""
REASONS = (
    ("not what we requested", "it does not have the cipher suite"),
    ("unsupported cipher", "it does not have the cipher suite"),
    ("unauthorized name", "it does not know the user"),
    ("invalid role", "it does not grant the privilege level"),
    ("rakp 2 hmac is invalid", "it refuses the password"),
    ("unable to establish", "it refuses the password, the user or the privilege level"),
    (
        "connection timed out",
        "it does not answer: a wrong address, no network, or a user that it does not know",
    ),
)
"""What ipmitool(1) says when a session cannot be opened, and what that means."""


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``fence_ipmilan`` with ``action=status``: the options travel on its standard input.

    Args:
        args: ``agent`` and ``options`` as the cluster's device has them; ``node``, whose BMC it is; ``bmc``,
            where it is; ``timeout_s``.

    Returns:
        ``answers``: the BMC told whether its node is powered; ``power`` (on, off or ""); ``reason``.
    """
    # verbose: without it the agent keeps the words of ipmitool to itself. No password is among them.
    options = {**args["options"], "action": "status", "verbose": "1", "power_timeout": str(PATIENCE_S)}
    stdin = "".join(f"{key}={value}\n" for key, value in options.items())
    try:
        done = tools.run([args["agent"]], stdin=stdin, timeout_s=float(args["timeout_s"]))
    except tools.Failed as failure:
        return {"answers": False, "power": "", "reason": str(failure), "evidence": failure.evidence}
    # fence agents end with 0 for on and with 2 for off (FenceAgentAPI.md).
    if done.exit in (0, 2):
        return {"answers": True, "power": "on" if done.exit == 0 else "off", "reason": "", "evidence": ""}
    words = f"{done.err}\n{done.out}".lower()
    reason = next((meaning for text, meaning in REASONS if text in words), "its agent cannot use it")
    return {"answers": False, "power": "", "reason": reason, "evidence": done.words}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Nothing can be mended from here: ask once more, and say what to do.

    Raises:
        Failed: it still does not answer.
    """
    found = look(args)
    if not found["answers"]:
        node = args["node"]
        raise tools.Failed(
            f"the BMC of {node} at {args['bmc']} cannot be used: {found['reason']}; without it nothing of "
            f"{node} could be started elsewhere. Check its address, user, cipher and password_file",
            found["evidence"],
        )
