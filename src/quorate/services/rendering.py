"""Turns a template of ``services/templates`` into text. A name that the caller forgot is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """The text of ``template`` ("galera/mariadb.cnf.j2") with ``values`` filled in.

    Raises:
        jinja2.TemplateNotFound: there is no such template.
        jinja2.UndefinedError: it uses a name that ``values`` does not have.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
