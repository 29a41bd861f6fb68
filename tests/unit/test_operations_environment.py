"""clouds.yaml and addresses, from the spec alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from openstack.config import OpenStackConfig  # type: ignore[import-untyped]

from quorate.cli.raise_plane import Stopwatch
from quorate.errors import PreconditionError
from quorate.events import Event, Kind, silent
from quorate.home import Home
from quorate.operations.environment import ADMIN_SECRET, Environment, endpoint, environment, write_clouds
from quorate.secrets.pki import Pki
from quorate.secrets.store import Secrets
from quorate.services.base import Context, Frontend, HttpCheck
from quorate.spec.model import Cluster

CHECK = HttpCheck("/")
FRONTENDS = (
    Frontend("keystone", 5000, 5000, CHECK),
    Frontend("horizon", 443, 80, CHECK),
    Frontend("galera", 3306, 3306, CHECK, http=False),
)
VIPS = {"keystone": "10.77.1.101", "horizon": "10.77.1.102", "galera": "10.77.1.103"}


def context(home: Home, frontends: tuple[Frontend, ...] = FRONTENDS) -> Context:
    cluster = Cluster.model_validate(
        {
            "apiVersion": "quorate/v1",
            "cluster": "demo",
            "networks": {"cluster": {"cidr": "10.77.0.0/24"}, "api": {"cidr": "10.77.1.0/24"}},
            "nodes": {"c1": {"addresses": {"cluster": "10.77.0.11", "api": "10.77.1.11"}}},
        }
    )
    return Context(
        folder=home.path,
        cluster=cluster,
        secrets=Secrets(home.secrets),
        pki=Pki(home),
        frontends=frontends,
        databases=(),
        message_users=(),
        accounts=(),
        catalogue=(),
        pools=(),
        fragments=(),
        packages=(),
        vips=VIPS,
        options={},
        modes={},
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def env(home: Home) -> Environment:
    return environment(context(home), home)


def write(env: Environment, home: Home) -> Path:
    home.pki.mkdir(exist_ok=True)
    home.ca_file.write_text("a certificate")
    return write_clouds(env, Secrets(home.secrets), home)


def test_endpoints_are_what_a_client_types(env: Environment) -> None:
    assert dict(env.endpoints) == {
        "keystone": "https://10.77.1.101:5000",
        "horizon": "https://10.77.1.102",
        "galera": "10.77.1.103:3306",
    }
    assert (env.auth_url, env.dashboard) == ("https://10.77.1.101:5000/v3", "https://10.77.1.102")


def test_plain_http_ports_are_named() -> None:
    assert endpoint(Frontend("web", 8443, 80, CHECK), "10.0.0.1") == "https://10.0.0.1:8443"


def test_the_openstack_client_takes_the_file_with_nothing_else_set(
    env: Environment, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(write(env, home)))
    cloud = OpenStackConfig().get_one()
    assert cloud.name == "demo"
    assert cloud.config["auth"]["auth_url"] == env.auth_url
    assert cloud.config["auth"]["password"] == (home.secrets / ADMIN_SECRET).read_text()
    assert cloud.get_requests_verify_args()[0] == str(home.ca_file)
    assert cloud.region_name == "RegionOne"


def test_clouds_yaml_is_private_and_written_only_when_it_changes(env: Environment, home: Home) -> None:
    path = write(env, home)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_ino
    write(env, home)
    assert path.stat().st_ino == before


def test_no_secret_is_shown(env: Environment, home: Home) -> None:
    write(env, home)
    password = (home.secrets / ADMIN_SECRET).read_text()
    assert password not in str(env.as_json()) + env.shell() + repr(env)


def test_before_the_first_apply_it_says_what_to_do(env: Environment, home: Home) -> None:
    with pytest.raises(PreconditionError) as raised:
        write_clouds(env, Secrets(home.secrets), home)
    assert "quorate apply" in raised.value.next_step
    assert not home.clouds.exists()


def test_a_cluster_without_keystone_has_no_cloud(home: Home) -> None:
    without = environment(context(home, FRONTENDS[1:]), home)
    with pytest.raises(PreconditionError, match="no Keystone"):
        write_clouds(without, Secrets(home.secrets), home)


def test_ssh_uses_the_pinned_keys(env: Environment, home: Home) -> None:
    argv = env.ssh["c1"]
    assert argv[-1] == "root@10.77.0.11"
    assert f"UserKnownHostsFile={home.ssh / 'known_hosts'}" in argv


def test_the_stopwatch_adds_up_a_stage_and_hands_every_event_on() -> None:
    times = iter([1.0, 3.5])
    heard: list[Event] = []
    watch = Stopwatch(heard.append, lambda: next(times))
    for kind in (Kind.STARTED, Kind.PROGRESS, Kind.DONE):
        watch(Event(kind, "apply base"))
    watch(Event(Kind.STARTED, "node c1"))
    assert watch.phases == {"apply base": 2.5}
    assert len(heard) == 4
    silent(heard[0])
