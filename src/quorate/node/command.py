"""A check, and the program that makes it true."""

from __future__ import annotations

from typing import Any

from quorate.node import tools

WAITS = True


def look(args: dict[str, Any]) -> dict[str, Any]:
    """``done``: ``check`` exited 0 and printed what is expected; ``exit``, ``output``: what it said."""
    done = _run(args, args["check"], args.get("check_stdin", ""), args["check_timeout_s"])
    right = done.exit == 0 and args.get("expect", "") in done.out
    return {"done": right, "exit": done.exit, "output": (done.out.strip() or done.err.strip())[-2000:]}


def fix(args: dict[str, Any], desired: dict[str, Any], wrong: list[str]) -> None:
    """Run ``fix``, then ask ``check`` until it agrees or the time for settling is over."""
    if args.get("fix"):
        done = _run(args, args["fix"], args.get("stdin", ""), 86400)
        if done.exit != 0:
            raise tools.Failed(f"{args['fix'][0]} ended with {done.exit}", done.words)
    if args["settle_s"] and not tools.wait_until(lambda: bool(look(args)["done"]), args["settle_s"]):
        state = look(args)
        if not state["done"]:
            said = f"exit {state['exit']}\n{state['output']}"
            raise tools.Failed(f"{args['check'][0]} still says no after {args['settle_s']:g} s", said)


def _run(args: dict[str, Any], argv: list[str], stdin: str, timeout_s: float) -> tools.Done:
    return tools.run(
        argv,
        stdin=stdin,
        env=args.get("env"),
        user=args.get("user", ""),
        cwd=args.get("cwd", "/"),
        timeout_s=timeout_s,
    )
