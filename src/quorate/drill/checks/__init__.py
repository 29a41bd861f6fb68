"""Checks: one file each. A check is a pure function of the history; it must be able to fail.

A module here has ``CHECK``, a `quorate.drill.judge.Check`-shaped object: ``name``, ``summary`` and
``run(history) -> Iterable[Finding]``.
"""
