"""Nova's names, ports and options, and what its configuration says alike everywhere."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import Field

from quorate.services.base import Context, Database, Options, Pool
from quorate.services.openstack.settings import common, endpoint

NOVA = "nova"
"""The service, its account in Keystone, on the broker and on the nodes."""
API_PORT, METADATA_PORT, CONSOLE_PORT = 8774, 8775, 6080
FOLDER, STATE = "/etc/nova", "/var/lib/nova"
API_DATABASE = Database("nova_api", "nova_api")
CELL0_DATABASE, CELL_DATABASE = Database("nova_cell0", "nova_cell0"), Database("nova", "nova")
DISKS = Pool("vms", client=NOVA, owner=NOVA, computes=True)
"""Where guests' disks are …"""
IMAGES = Pool("images", client=NOVA, owner=NOVA, read_only=True, computes=True)
"""… and what they are cloned from, copy on write."""
VOLUMES = ("block-storage", "volumev3")
"""What Cinder may be called in the catalogue."""
METADATA_SECRET = "metadata-proxy"
"""The secret by which Nova knows Neutron's metadata agents."""


class Flavor(Options):
    """A size that servers can have."""

    vcpus: Annotated[int, Field(ge=1, le=1024)] = 1
    memory_mib: Annotated[int, Field(ge=1)]
    disk_gib: Annotated[int, Field(ge=0)]
    """0: as large as the image."""


class NovaOptions(Options):
    """What can differ from one Nova to the next. Times in seconds."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Worker processes of the API on each controller, about 170 MB each."""
    threads: Annotated[int, Field(ge=3, le=64)] = 8
    """Threads of each process."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of the scheduler and of the conductor on each controller."""
    request_limit_s: Annotated[int, Field(ge=30, le=600)] = 90
    """A worker that is longer at one request is ended."""
    database_timeout_s: Annotated[int, Field(ge=2, le=600)] = 20
    """How long one answer of the database may take before the connection is given up."""
    report_interval_s: Annotated[int, Field(ge=1, le=60)] = 5
    """How often each service says that it lives."""
    service_down_s: Annotated[int, Field(ge=5, le=600)] = 20
    """A service that has said nothing for so long is down: nothing is scheduled to it."""
    discover_s: Annotated[int, Field(ge=10, le=86_400)] = 300
    """How often the scheduler looks for computes that nobody told it of."""
    flavors: dict[str, Flavor] = Field(
        default_factory=lambda: {
            "m1.nano": Flavor(memory_mib=128, disk_gib=1),
            "m1.tiny": Flavor(memory_mib=512, disk_gib=1),
            "m1.small": Flavor(memory_mib=2048, disk_gib=20),
            "m1.medium": Flavor(vcpus=2, memory_mib=4096, disk_gib=40),
        }
    )
    """Made where there is none of that name, for everybody. What is there already is left as it is."""


def nova_options(ctx: Context) -> NovaOptions:
    """Nova's own options, for its half on the computes too."""
    return cast(NovaOptions, ctx.options[NOVA])


def shared(ctx: Context, node: str) -> dict[str, Any]:
    """What ``nova/nova.conf.j2`` is filled with, alike on controllers and computes."""
    options = nova_options(ctx)
    return {
        "os": common(ctx),
        "account": NOVA,
        "node": node,
        "address": ctx.cluster.address(node),
        "state": STATE,
        "report_interval_s": options.report_interval_s,
        "service_down_s": options.service_down_s,
        "volumes": next((f"{e.type}:{e.name}:internalURL" for e in ctx.catalogue if e.type in VOLUMES), ""),
        "console": endpoint(ctx, NOVA, CONSOLE_PORT) + "/vnc_auto.html",
    }


def smallest(ctx: Context) -> dict[str, int]:
    """What a server of the smallest of the spec's flavors takes, by Placement's resource classes."""
    flavors = nova_options(ctx).flavors.values()
    every = [{"VCPU": one.vcpus, "MEMORY_MB": one.memory_mib, "DISK_GB": one.disk_gib} for one in flavors]
    return {name: min(one[name] for one in every) for name in every[0]} if every else {}
