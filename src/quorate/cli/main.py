"""The command line's front door: finds the commands, turns errors into sentences and exit codes.

Every module in this folder with a ``commands`` list brings its own commands. To keep ``--help`` quick such
a module imports at its top only click and `cli.common`, and everything else inside its functions. A command
returns its exit code, or None for success.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

import quorate
from quorate import cli
from quorate.errors import EXIT_FAIL, EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_PASS, EXIT_USAGE, QuorateError
from quorate.home import state_root


def build() -> click.Group:
    """The command ``quorate`` with every command of this folder. Two of the same name raise."""
    group = click.Group(
        "quorate",
        help=quorate.__doc__,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        no_args_is_help=True,
    )
    click.version_option(quorate.__version__, prog_name="quorate")(group)
    for module in sorted(module.name for module in pkgutil.iter_modules(cli.__path__)):
        for command in getattr(importlib.import_module(f"{cli.__name__}.{module}"), "commands", ()):
            if command.name in group.commands:
                raise RuntimeError(
                    f"two commands are called {command.name!r}; one of them is in cli/{module}.py"
                )
            group.add_command(command)
    return group


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: without the program's name; None for those of the process.
    """
    try:
        result = build().main(
            args=None if arguments is None else list(arguments), prog_name="quorate", standalone_mode=False
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else EXIT_PASS
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except QuorateError as error:
        click.echo(f"quorate: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nquorate: interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough (``| head``): click says 1 too. Python must not fail when it
        # flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAIL
    except Exception as error:  # noqa: BLE001 - the outermost net: nobody should meet a traceback
        click.echo(
            f"quorate: internal error: {_first_line(error)}; the details are in {_record(error)}", err=True
        )
        return EXIT_INTERNAL


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _record(error: BaseException) -> str:
    """Write the traceback to a file that only its owner can read, and return the file's name."""
    text = "".join(traceback.format_exception(error))
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for folder in (state_root() / "crash", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f"quorate-{stamp}-", suffix=".txt", dir=folder)
            with os.fdopen(handle, "w") as file:
                file.write(text)
        except OSError:
            continue
        return name
    return f"no file, because none can be written:\n{text}"
