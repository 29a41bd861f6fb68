"""Reading cluster.yaml: every mistake at once, each on its line, and never a traceback."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate.errors import SpecError
from quorate.spec import document
from quorate.spec.catalogue import Catalogue
from quorate.spec.load import inspect, load
from quorate.spec.model import Mode

Write = Callable[[Any], Path]

BROKEN = """\
apiVersion: quorate/v2
cluster: Demo
release: 2025.1
networks:
  cluster: {cidr: 10.77.0.11/24}
  api: {cidr: 10.77.1.0/24}
  bmc: {cidr: 10.77.2.0/24}
nodes:
  c1:
    adresses: {cluster: 10.77.0.11, api: 10.77.1.11}
    bmc: {address: 10.77.2.11, password_file: a}
  c2:
    addresses: {cluster: 10.77.0.12, api: 10.77.1.512}
    bmc: {address: 10.77.2.12}
  c3:
    addresses: {cluster: 10.77.0.13, api: 10.77.3.13}
    bmc: {address: 10.77.2.13, password_file: c, port: 70000}
  c3:
    addresses: {}
services:
  web: {mode: active-active, vip: 10.77.1.101}
  portl: {vip: 10.77.1.102}
"""


def lines(path: Path, services: Catalogue | None = None) -> list[str]:
    return [finding.text("f") for finding in inspect(path, services).findings]


def test_a_good_file_becomes_a_cluster(write_spec: Write, good_spec: Any, services: Catalogue) -> None:
    good_spec["services"]["web"] |= {"mode": "active/passive", "options": {"workers": 4}}
    cluster = load(write_spec(good_spec), services)
    assert cluster.controllers == ("c1", "c2", "c3")
    assert cluster.address("c2", "api") == "10.77.1.12"
    assert cluster.services["web"].mode is Mode.ACTIVE_PASSIVE


def test_every_mistake_is_reported_at_once_with_its_line(write_spec: Write, services: Catalogue) -> None:
    found = lines(write_spec(BROKEN), services)
    expected = [
        ("f:1: apiVersion: 'quorate/v2' is not possible here", "'quorate/v1'"),
        ("f:2: cluster: 'Demo' is not a name", "lower-case"),
        ("f:3: release: 2025.1 is not possible here", "'2025.1'"),
        ("f:5: networks.cluster.cidr: '10.77.0.11/24' is not an IPv4 network", "did you mean 10.77.0.0/24?"),
        ("f:10: nodes.c1.adresses: unknown key", "did you mean 'addresses'?"),
        ("f:13: nodes.c2.addresses.api: '10.77.1.512' is not an IPv4 address", ""),
        ("f:14: nodes.c2.bmc.password_file: this is missing", "add password_file"),
        ("f:16: nodes.c3.addresses.api: 10.77.3.13 is outside the network api", "is free"),
        ("f:17: nodes.c3.bmc.port: 70000 is out of range", "at most 65535"),
        ("f:18: nodes.c3: this key stands here twice (first on line 15)", "keep one"),
        ("f:21: services.web.mode: 'active-active' is not possible here", "'active/active'"),
        ("f:22: services.portl: there is no service 'portl'", "did you mean 'portal'?"),
    ]
    for start, right in expected:
        assert any(line.startswith(start) and right in line for line in found), (start, found)
    assert len(found) == len(expected), found


def test_load_raises_all_of_them(write_spec: Write) -> None:
    path = write_spec(BROKEN)
    with pytest.raises(SpecError) as caught:
        load(path)
    assert len(caught.value.findings) == 11
    assert caught.value.exit_code == 64
    assert str(path) in str(caught.value)
    assert "cluster.yaml:18: nodes.c3: this key stands here twice" in str(caught.value)


def test_warnings_do_not_stop_loading(write_spec: Write, good_spec: Any) -> None:
    good_spec["nodes"]["c1"]["bmc"]["address"] = "192.0.2.11"
    path = write_spec(good_spec)
    assert len(inspect(path).findings) == 1
    assert load(path).cluster == "demo"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("# nothing but a comment\n", "the file is empty"),
        ("- a\n- b\n", "the file is a list"),
        ("hello", "the file is a single value"),
        ("a: [1\nb: 2\n", "this is not YAML"),
        ("a: 1\n\tb: 2\n", "this is not YAML"),
        ("a: *nowhere\n", "this is not YAML"),
        ("a: &x [*x]\n", "an alias contains itself"),
        ("a: 1\n---\nb: 2\n", "this is not YAML"),
        ("[" * 1000, "this is not YAML"),
        ('a: "\\UFFFFFFFF"\n', "this is not YAML"),
        ("? [a, b]\n: 1\n", "a key must be a plain word"),
        ("<<: 1\n", "merges something that is no mapping"),
    ],
)
def test_what_is_no_cluster_yaml(write_spec: Write, content: str, message: str) -> None:
    assert message in "\n".join(lines(write_spec(content)))


def test_a_syntax_error_has_its_line(write_spec: Write) -> None:
    (line,) = lines(write_spec("apiVersion: quorate/v1\ncluster: [demo\nnodes: {}\n"))
    assert line.startswith("f:3: this is not YAML")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\x7fELF\xff\xfe\x00")
    huge = tmp_path / "huge"
    huge.write_bytes(b"#" * (document.MAX_BYTES + 1))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, message in (
        (tmp_path, "a folder"),
        (tmp_path / "none", "no such file"),
        (tmp_path / "a\0b", "cannot be read"),
        (binary, "not UTF-8"),
        (huge, "larger than"),
        (pipe, "not a regular file"),
    ):
        (line,) = lines(path)
        assert message in line


def test_aliases_that_multiply_are_refused(write_spec: Write) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 9)
    )
    assert "values" in lines(write_spec(bomb))[0]


def test_merge_keys_work(write_spec: Write) -> None:
    text = textwrap.dedent("""\
        apiVersion: quorate/v1
        cluster: demo
        networks: {cluster: {cidr: 10.77.0.0/24}, api: {cidr: 10.77.1.0/24}, bmc: {cidr: 10.77.2.0/24}}
        nodes:
          c1:
            addresses: {cluster: 10.77.0.11, api: 10.77.1.11}
            bmc: &bmc {address: 10.77.2.11, user: fence, password_file: secrets/bmc}
          c2:
            addresses: {cluster: 10.77.0.12, api: 10.77.1.12}
            bmc: {<<: *bmc, address: 10.77.2.12}
          c3:
            addresses: {cluster: 10.77.0.13, api: 10.77.1.13}
            bmc: {<<: *bmc, address: 10.77.2.13}
        """)
    cluster = load(write_spec(text))
    assert [str(node.bmc.address) for node in cluster.nodes.values() if node.bmc] == [
        "10.77.2.11",
        "10.77.2.12",
        "10.77.2.13",
    ]
    assert {node.bmc.user for node in cluster.nodes.values() if node.bmc} == {"fence"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["apiVersion", "cluster", "networks", "nodes", "services", "vips", "ssh", "fencing", "sla", "release"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="abc:-[]{}&*!|>'\"%@#\n \t\\,?0.x\x00é", max_size=60))
def test_no_text_makes_it_crash(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    assert inspect(path).errors


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(KEYS, JSON, max_size=4),
    section=st.sampled_from(["nodes", "services", "networks"]),
    value=JSON,
)
def test_no_values_make_it_crash(
    write_spec: Write, good_spec: Any, services: Catalogue, changes: Any, section: str, value: Any
) -> None:
    reading = inspect(
        write_spec(good_spec | {section: good_spec[section] | {"x": value}} | changes), services
    )
    assert (reading.cluster is None) == bool(reading.errors)


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_good(path: Path) -> None:
    assert lines(path) == []
