"""Write the configuration of OpenStack's functional tests (Tempest) for a cluster. Standard library only.

    ./quorate env --json | python3 scripts/tempest_conf.py FOLDER IMAGE

What the cluster has is asked of the cluster: catalogue, extensions, flavors, networks, versions. IMAGE, the
path of the guest image in its raw form, is uploaded as `NAME` where it is not there yet. FOLDER gets
etc/tempest.conf, readable by its owner only, since the password of ``admin`` is in it.
"""

from __future__ import annotations

import configparser
import json
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "quorate-functional-tests"
"""Of the two images."""
TIMEOUT_S = 60
SERVICES = {
    "glance": "image",
    "nova": "compute",
    "neutron": "network",
    "swift": "object-store",
}
"""Tempest's names, and the types in the catalogue."""
VOLUMES = ("block-storage", "volumev3")
"""Types that volumes may have there: the present one, and the one before."""
Config = dict[str, dict[str, str]]


class Cloud:
    """The account ``admin`` of a cluster.

    Args:
        env: what ``quorate env --json`` prints.
    """

    def __init__(self, env: Mapping[str, Any]) -> None:
        self.trust = ssl.create_default_context(cafile=env["ca_file"])
        self.password = Path(env["password_file"]).read_text(encoding="utf-8").strip()
        self.token = ""
        domain = {"id": "default"}
        user = {"name": env["user"], "domain": domain, "password": self.password}
        methods = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": env["user"], "domain": domain}}
        self.catalogue = {"identity": str(env["auth_url"])}
        body = {"auth": {"identity": methods, "scope": scope}}
        answer, headers = self.ask("identity", "/auth/tokens", body)
        self.token = headers["X-Subject-Token"]
        for entry in answer["token"]["catalog"]:
            urls = [each["url"] for each in entry["endpoints"] if each["interface"] == "public"]
            self.catalogue[entry["type"]] = urls[0].rstrip("/")

    def ask(
        self, service: str, path: str, body: object = None, method: str = ""
    ) -> tuple[Any, Mapping[str, str]]:
        """JSON and headers of one answer. A file as ``body`` is sent as is. SystemExit if it is refused."""
        base = self.catalogue[service]
        if path.startswith("//"):  # beside the API itself, as Swift's /info
            base, path = "/".join(base.split("/")[:3]), path[1:]
        headers = {"X-Auth-Token": self.token, "Accept": "application/json"}
        data: Any = None
        if isinstance(body, Path):
            data = body.read_bytes()
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(base + path, data, headers, method=method or None)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self.trust) as answer:
                raw = answer.read()
                return (json.loads(raw) if raw else None), answer.headers
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{base}{path} answered {error.code}: {error.read().decode()[:300]}") from None
        except OSError as error:
            raise SystemExit(f"{base}{path} does not answer: {error}; see ./quorate status") from None


def image(cloud: Cloud, name: str, source: Path) -> str:
    """The id of the public image ``name``, uploaded from ``source`` where there is none that is whole."""
    found, _ = cloud.ask("image", f"/v2/images?name={name}&status=active")
    if found["images"]:
        return str(found["images"][0]["id"])
    body = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    made, _ = cloud.ask("image", "/v2/images", body)
    cloud.ask("image", f"/v2/images/{made['id']}/file", source, "PUT")
    return str(made["id"])


def compute(cloud: Cloud, source: Path) -> Config:
    """Images, the two smallest flavors, versions, and what these computes can do."""
    flavors, _ = cloud.ask("compute", "/flavors/detail")
    smallest = sorted(flavors["flavors"], key=lambda one: (one["ram"], one["disk"], one["vcpus"]))
    if len(smallest) < 2:
        raise SystemExit("the tests need two flavors; see the option 'flavors' in docs/services/nova.md")
    versions, _ = cloud.ask("compute", "/")
    hosts, _ = cloud.ask("compute", "/os-services?binary=nova-compute")
    up = [one for one in hosts["services"] if one["state"] == "up" and one["status"] == "enabled"]
    basic = {
        "image_ref": image(cloud, NAME, source),
        "image_ref_alt": image(cloud, f"{NAME}-2", source),
        "flavor_ref": smallest[0]["id"],
        "flavor_ref_alt": smallest[1]["id"],
        "min_compute_nodes": str(len(up)),
        "min_microversion": "2.1",
        "max_microversion": versions["version"]["version"],
        "build_timeout": "300",
    }
    able = {
        "resize": "true",
        "live_migration": str(len(up) > 1).lower(),
        # Disks are in the storage cluster, both hosts have them.
        "block_migration_for_live_migration": "false",
        "vnc_console": "true",
        # The password of a guest can be set only where an agent runs in it.
        "change_password": "false",
        "personality": "false",
    }
    return {"compute": basic, "compute-feature-enabled": able}


def network(cloud: Cloud) -> Config:
    """The way out, and the extensions that are there: without a list Tempest takes all for given."""
    found, _ = cloud.ask("network", "/v2.0/networks?router:external=true")
    extensions, _ = cloud.ask("network", "/v2.0/extensions")
    names = sorted(one["alias"] for one in extensions["extensions"])
    section = {"project_networks_reachable": "false"}
    if found["networks"]:
        section |= {
            "public_network_id": found["networks"][0]["id"],
            "floating_network_name": found["networks"][0]["name"],
        }
    able = {
        "api_extensions": ",".join(names),
        "floating_ips": str(bool(found["networks"])).lower(),
        "ipv6_subnet_attributes": "true",
        "port_security": str("port-security" in names).lower(),
    }
    return {"network": section, "network-feature-enabled": able}


def objects(cloud: Cloud) -> Config:
    """Swift's middleware, by its own /info."""
    info, _ = cloud.ask("object-store", "//info")
    able = {
        "discoverable_apis": ",".join(sorted(set(info) - {"swift"})),
        "container_sync": str("container_sync" in info).lower(),
        "object_versioning": str("object_versioning" in info).lower(),
    }
    # A deletion counts when two of three replicas have it, and listings follow: seconds on a busy machine.
    return {"object-storage": {"build_timeout": "30"}, "object-storage-feature-enabled": able}


def volumes(cloud: Cloud, kind: str) -> Config:
    """Versions of the volume API, whose type in the catalogue is ``kind``."""
    versions, _ = cloud.ask(kind, "//")
    newest = next(one for one in versions["versions"] if one["id"] == "v3.0")
    section = {
        "catalog_type": kind,
        "storage_protocol": "ceph",
        "min_microversion": newest["min_version"],
        "max_microversion": newest["version"],
    }
    return {"volume": section, "volume-feature-enabled": {"extend_attached_volume": "true"}}


def configuration(env: Mapping[str, Any], cloud: Cloud, folder: Path, source: Path) -> Config:
    """All sections. ``env`` is what ``quorate env --json`` prints."""
    there = {name: str(kind in cloud.catalogue).lower() for name, kind in SERVICES.items()}
    kinds = [kind for kind in VOLUMES if kind in cloud.catalogue]
    there["cinder"] = str(bool(kinds)).lower()
    there["horizon"] = str(bool(env.get("dashboard"))).lower()
    config: Config = {
        "DEFAULT": {"log_dir": str(folder / "logs"), "log_file": "tempest.log", "debug": "true"},
        "oslo_concurrency": {"lock_path": str(folder / "locks")},
        "auth": {
            "admin_username": env["user"],
            "admin_password": cloud.password,
            "admin_project_name": env["user"],
            "use_dynamic_credentials": "true",
            "create_isolated_networks": "true",
            "tempest_roles": "member",
        },
        "identity": {
            "uri_v3": env["auth_url"],
            "region": env["region"],
            "ca_certificates_file": env["ca_file"],
        },
        "service_available": there,
        "dashboard": {"dashboard_url": f"{env.get('dashboard', '')}/horizon/"},
        # The guest image has no SSH server: tests that log in to a server are left out by Tempest itself.
        "validation": {"run_validation": "false"},
        "image": {"disk_formats": "qcow2,raw,vmdk,iso", "container_formats": "bare"},
        "image-feature-enabled": {"import_image": "true"},
    }
    if "compute" in cloud.catalogue:
        config |= compute(cloud, source)
    if "network" in cloud.catalogue:
        config |= network(cloud)
    if "object-store" in cloud.catalogue:
        config |= objects(cloud)
    if kinds:
        config |= volumes(cloud, kinds[0])
    return config


def write(config: Config, path: Path) -> None:
    """Write ``config`` for its owner only. oslo.config has no interpolation but ``$``, which is doubled."""
    parser = configparser.RawConfigParser()
    for name, keys in config.items():
        parser[name] = {key: value.replace("$", "$$") for key, value in keys.items()}
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)


def main() -> None:
    """As the module says."""
    folder, source = Path(sys.argv[1]), Path(sys.argv[2])
    env = json.load(sys.stdin)
    (folder / "etc").mkdir(parents=True, exist_ok=True)
    write(configuration(env, Cloud(env), folder, source), folder / "etc/tempest.conf")


if __name__ == "__main__":
    main()
