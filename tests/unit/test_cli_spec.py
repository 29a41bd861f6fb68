"""``quorate check`` and ``quorate schema``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate.cli import spec
from quorate.cli.common import catalogue
from quorate.cli.main import main
from quorate.spec.catalogue import Catalogue
from quorate.spec.schema import schema

ROOT = Path(__file__).parents[2]
Write = Callable[[Any], Path]


@pytest.fixture(autouse=True)
def made_up_services(monkeypatch: pytest.MonkeyPatch, services: Catalogue) -> None:
    monkeypatch.setattr(spec, "catalogue", lambda: services)


def test_a_good_file(write_spec: Write, good_spec: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(write_spec(good_spec))]) == 0
    assert "good: cluster demo, controllers c1, c2, c3" in capsys.readouterr().out


def test_warnings_do_not_fail(write_spec: Write, good_spec: Any, capsys: pytest.CaptureFixture[str]) -> None:
    good_spec["nodes"]["c1"]["bmc"]["address"] = "192.0.2.1"
    assert main(["check", str(write_spec(good_spec))]) == 0
    assert "warning: nodes.c1.bmc.address" in capsys.readouterr().out


def test_mistakes_fail_with_all_of_them(
    write_spec: Write, good_spec: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    del good_spec["nodes"]["c3"], good_spec["nodes"]["c1"]["bmc"], good_spec["services"]["web"]["vip"]
    path = write_spec(good_spec)
    assert main(["check", str(path)]) == 64
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 3
    assert all(line.startswith(f"{path}:") for line in captured.out.splitlines())
    assert "3 mistakes" in captured.err


def test_json(write_spec: Write, good_spec: Any, capsys: pytest.CaptureFixture[str]) -> None:
    good_spec["services"]["web"]["mode"] = "self"
    assert main(["check", "--json", str(write_spec(good_spec))]) == 64
    data = json.loads(capsys.readouterr().out)
    assert data["usable"] is False
    (finding,) = data["findings"]
    assert finding["path"] == "services.web.mode"
    assert finding["severity"] == "error"
    assert finding["line"] > 1


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "/nowhere/cluster.yaml"]) == 64
    assert "there is no such file" in capsys.readouterr().out


def test_the_schema_knows_each_services_modes_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    published = json.loads(capsys.readouterr().out)
    web = published["properties"]["services"]["properties"]["web"]
    assert web["properties"]["mode"]["enum"] == ["active/active", "active/passive"]
    assert set(web["properties"]["options"]["properties"]) == {"workers", "title", "limits"}
    assert published["properties"]["apiVersion"]["const"] == "quorate/v1"


def test_every_reference_in_the_schema_leads_somewhere(services: Catalogue) -> None:
    published = schema(services)

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/$defs/") in published["$defs"]
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(published)
    assert "web.Limits" in published["$defs"]


def test_the_published_schema_is_current() -> None:
    kept = json.loads((ROOT / "docs" / "schema" / "quorate-v1.json").read_text())
    assert kept == schema(catalogue()), "run scripts/docs and commit what it changes"
