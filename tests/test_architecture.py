"""The house rules of docs/architecture.md, held by reading the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "quorate"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 500

EVERYBODY = {"errors", "events", "home"}
"""For everyone; besides these, a package imports itself and what stands here."""
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "events": set(),
    "home": set(),
    "spec": set(),
    "secrets": set(),
    "node": set(),
    "transport": {"spec", "secrets"},
    "resources": {"spec", "secrets"},
    "pacemaker": {"spec", "secrets", "transport", "node", "resources"},
    "services": {"spec", "secrets", "transport", "node", "resources", "pacemaker"},
    "engine": {"spec", "secrets", "transport", "node", "resources"},
    "operations": {"spec", "secrets", "transport", "node", "resources", "pacemaker", "services", "engine"},
    "drill": {"spec", "secrets", "transport", "node", "resources", "pacemaker", "services", "engine"},
    "report": {"drill.model"},
    "lab": {"spec", "secrets", "transport"},
}
ANYTHING = {"cli", "__main__", "__init__"}
PLUGIN_FOLDERS = ("services", "drill/faults", "drill/workloads", "drill/checks")
SHARED_BY_PLUGINS = {"base", "registry", "rendering"}
"""Not plug-ins themselves: what those of a folder may share."""


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), str(file))


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that ``file`` imports; ``from a import b`` counts as ``a.b``."""
    package = ("quorate", *file.relative_to(SOURCE).with_suffix("").parts)[:-1]
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def package_of(file: Path) -> str:
    return file.relative_to(SOURCE).with_suffix("").parts[0]


def place(file: Path, line: int) -> str:
    return f"src/quorate/{file.relative_to(SOURCE)}:{line}"


def test_packages_import_only_what_they_may() -> None:
    wrong = []
    for file in FILES:
        package = package_of(file)
        if package in ANYTHING:
            continue
        allowed = MAY_IMPORT.get(package)
        assert allowed is not None, (
            f"{package} is a new package: say in MAY_IMPORT and docs/architecture.md what it may"
        )
        for line, name in imports(file):
            if not name.startswith("quorate."):
                continue
            inner = name.removeprefix("quorate.")
            top = inner.split(".")[0]
            fits = any(inner == one or inner.startswith(f"{one}.") for one in allowed)
            if (
                not fits
                and top != package
                and top not in EVERYBODY
                and top not in ("__version__", "__path__")
            ):
                wrong.append(f"{place(file, line)}: {package} must not import {name}")
    assert not wrong, "\n".join(wrong)


def test_the_node_half_needs_only_the_standard_library() -> None:
    wrong = [
        f"{place(file, line)}: {name}"
        for file in FILES
        if package_of(file) == "node"
        for line, name in imports(file)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("quorate.node")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", PLUGIN_FOLDERS)
def test_plugins_never_import_each_other(folder: str) -> None:
    dotted = f"quorate.{folder.replace('/', '.')}"
    plugins = {file.stem for file in (SOURCE / folder).glob("[a-z]*.py")} - SHARED_BY_PLUGINS
    wrong = [
        f"{place(file, line)}: {name}"
        for file in (SOURCE / folder).glob("[a-z]*.py")
        if file.stem in plugins
        for line, name in imports(file)
        if name.startswith(f"{dotted}.")
        and name.removeprefix(f"{dotted}.").split(".")[0] in plugins - {file.stem}
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_prints_or_exits() -> None:
    wrong = []
    for file in FILES:
        # The node's agent speaks on its standard output: that is its connection.
        if package_of(file) in ("cli", "node", "__main__"):
            continue
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "exit",
                "sys.exit",
                "os._exit",
            ):
                wrong.append(f"{place(file, node.lineno)}: {ast.unparse(node.func)}()")
    # A module that is a program of its own (``python -m quorate.lab.bmc``) may end with its exit code.
    ends = ("sys.exit()", "os._exit()")
    wrong = [line for line in wrong if not (line.endswith(ends) and _is_program(line))]
    assert not wrong, "\n".join(wrong)


def _is_program(line: str) -> bool:
    file = SOURCE / line.split(":")[0].removeprefix("src/quorate/")
    return 'if __name__ == "__main__":' in file.read_text()


def test_no_module_keeps_state() -> None:
    """No ``global``; no module variable, unless it is a CONSTANT, that holds something that can be filled."""
    wrong = []
    for file in FILES:
        module = tree(file)
        wrong += [f"{place(file, n.lineno)}: global" for n in ast.walk(module) if isinstance(n, ast.Global)]
        for node in module.body:
            if isinstance(node, ast.Assign):
                names, value = [ast.unparse(target) for target in node.targets], node.value
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                names, value = [ast.unparse(node.target)], node.value
            else:
                continue
            literal = isinstance(
                value, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
            )
            empty = isinstance(value, ast.Call) and ast.unparse(value.func) in (
                "list",
                "dict",
                "set",
                "defaultdict",
            )
            hollow = empty or (isinstance(value, (ast.List, ast.Dict)) and not ast.unparse(value)[1:-1])
            for name in names:
                constant = name.isupper() or name.startswith("__") or name == "commands"
                if hollow or ((literal or empty) and not constant):
                    wrong.append(f"{place(file, node.lineno)}: {name} can be changed by anybody")
    assert not wrong, "\n".join(wrong)


def test_files_are_short() -> None:
    long = {str(f.relative_to(SOURCE)): n for f in FILES if (n := len(f.read_text().splitlines())) > LONGEST}
    assert not long, f"longer than {LONGEST} lines: {long}"


def test_every_folder_says_what_it_is_for() -> None:
    silent = [
        str(file.relative_to(SOURCE))
        for file in FILES
        if file.name == "__init__.py" and not ast.get_docstring(tree(file))
    ]
    # Programs that are shipped to the nodes as they are lie among the templates; that is no package.
    folders = {file.parent for file in FILES if "templates" not in file.parts}
    silent += [
        f"{folder.relative_to(SOURCE)}/__init__.py"
        for folder in folders
        if not (folder / "__init__.py").exists()
    ]
    assert not silent, f"without a docstring: {silent}"


def test_no_shell_and_no_swallowed_errors() -> None:
    wrong = []
    for file in FILES:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.keyword) and node.arg == "shell" and ast.unparse(node.value) != "False":
                wrong.append(f"{place(file, node.value.lineno)}: shell={ast.unparse(node.value)}")
            if (
                isinstance(node, ast.ExceptHandler)
                and len(node.body) == 1
                and isinstance(node.body[0], ast.Pass)
            ):
                caught = ast.unparse(node.type) if node.type else ""
                if caught in ("", "Exception", "BaseException"):
                    wrong.append(f"{place(file, node.lineno)}: swallows every error")
    assert not wrong, "\n".join(wrong)


def test_the_command_line_starts_without_heavy_imports() -> None:
    """``--help`` has to be quick, so the modules of cli/ import heavy things inside their functions."""
    heavy = {
        "pydantic",
        "asyncssh",
        "aiohttp",
        "aiomysql",
        "aio_pika",
        "rich",
        "ruamel",
        "jinja2",
        "cryptography",
    }
    wrong = []
    for file in FILES:
        if package_of(file) != "cli":
            continue
        for node in tree(file).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                )
                light = {"quorate.cli", "quorate.errors", "quorate.events", "quorate.home", "quorate"}
                wrong += [
                    f"{place(file, node.lineno)}: {name}"
                    for name in names
                    if name.split(".")[0] in heavy
                    or (
                        name.startswith("quorate")
                        and name not in light
                        and not name.startswith("quorate.cli.")
                    )
                ]
    assert not wrong, "import these inside the functions that need them:\n" + "\n".join(wrong)
