"""``quorate check`` and ``quorate schema``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from quorate.cli.common import catalogue, emit, json_option
from quorate.errors import EXIT_PASS, EXIT_USAGE


@click.command()
@click.argument("file")
@json_option
def check(file: str, as_json: bool) -> int:
    """Find every mistake in a cluster.yaml.

    Exit code 0 when it can be used (warnings may be shown), 64 when not.
    """
    from quorate.spec.load import inspect

    reading = inspect(Path(file), catalogue())
    if as_json:
        usable = reading.cluster is not None
        emit(
            {"file": file, "usable": usable, "findings": [finding.json() for finding in reading.findings]},
            True,
        )
        return EXIT_PASS if usable else EXIT_USAGE
    for finding in reading.findings:
        click.echo(finding.text(file))
    errors, warnings = len(reading.errors), len(reading.findings) - len(reading.errors)
    counts = ", ".join(_count(n, word) for n, word in ((errors, "mistake"), (warnings, "warning")) if n)
    if reading.cluster is None:
        click.echo(f"{file}: {counts}", err=True)
        return EXIT_USAGE
    controllers = ", ".join(reading.cluster.controllers)
    suffix = f" ({counts})" if counts else ""
    click.echo(f"{file}: good{suffix}: cluster {reading.cluster.cluster}, controllers {controllers}")
    return EXIT_PASS


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


@click.command()
def schema() -> None:
    """Print the JSON schema of cluster.yaml, for editors and other programs."""
    from quorate.spec.schema import schema as published

    click.echo(json.dumps(published(catalogue()), indent=2))


commands = [check, schema]
