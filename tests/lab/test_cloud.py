"""The whole platform on five real machines: one command raises it, and every service proves itself.

A tenant's day and the drills of it are in tests/cloud: they take another quarter of an hour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from tests.lab.plane import Plane, raised_cloud, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The lab that is made without a file."""
    with raised_cloud(tmp_path_factory.mktemp("cloud")) as plane:
        yield plane


def test_every_service_proves_itself(cloud: Plane) -> None:
    """From outside, as clients."""
    checks = cloud.must("verify", "--quick", "--json", timeout_s=600).json()["checks"]
    assert {check["verdict"] for check in checks} == {"pass"}, json.dumps(checks, indent=1)
    services = {check["service"] for check in checks}
    assert services >= {
        "ceph",
        "cinder-volume",
        "etcd",
        "glance",
        "keystone",
        "neutron",
        "nova",
        "placement",
        "swift",
    }


def test_a_guests_card_that_is_taken_down_comes_up_again(cloud: Plane) -> None:
    """As Open vSwitch does it now and then, when libvirt has just set it up."""
    card = "tapquorate0"
    cloud.ssh("n1", "ip", "tuntap", "add", card, "mode", "tap")
    try:
        for _ in range(3):
            cloud.ssh("n1", "ip", "link", "set", card, "down")
            until("the card is up", lambda: ",UP" in cloud.ssh("n1", "ip", "link", "show", card), 30)
    finally:
        cloud.ssh("n1", "ip", "link", "delete", card)


def test_gateways_watch_each_other_also_without_a_router(cloud: Plane) -> None:
    """Else the gateways of a first router all take it at once, each for want of a sign of the others."""
    routers = ("ovn-nbctl", "--no-leader-only", "--bare", "--columns=name", "list", "Logical_Router")
    assert cloud.ssh("c1", *routers).strip() == ""
    tunnels = ("ovs-vsctl", "--bare", "--columns=bfd_status", "find", "Interface", "type=geneve")
    for node in ("c1", "c2", "c3", "n1", "n2"):
        until(
            f"{node} sees the four others",
            lambda node=node: len(re.findall(r"\bstate=up", cloud.ssh(node, *tunnels))) == 4,
            30,
        )


def test_a_gateway_that_comes_back_is_not_watched_before_it_can_forward(cloud: Plane) -> None:
    """Else the others leave it its routers while its switch is still empty."""
    watched = ("ovs-vsctl", "--bare", "--columns=name", "find", "Interface", "bfd:enable=true")
    until("n1 is watched", lambda: len(cloud.ssh("n1", *watched).split()) == 4, 60)
    cloud.ssh("n1", "systemctl", "stop", "ovn-controller")
    try:
        cloud.ssh("n1", "systemctl", "restart", "ovs-vswitchd")
        assert cloud.ssh("n1", *watched).split() == []
    finally:
        cloud.ssh("n1", "systemctl", "start", "ovn-controller")
    until("it is watched again", lambda: len(cloud.ssh("n1", *watched).split()) == 4, 60)


CALL = """
import nova.monkey_patch
from nova import config, context, objects
from nova.conductor import rpcapi
from nova.objects import base
from oslo_messaging._drivers import amqpdriver

config.parse_args(["call", "--config-file", "/etc/nova/nova-compute.conf"])
objects.register_all()
base.NovaObject.indirection_api = rpcapi.ConductorAPI()
service = objects.Service.get_by_compute_host(context.get_admin_context(), "n1")
print(service.host, amqpdriver.ReplyWaiters.get.__module__)
"""


def test_a_call_through_the_broker_is_answered_by_what_looks_for_answers_at_once(cloud: Plane) -> None:
    """With the environment of the unit; how much it gains is for a benchmark."""
    environment = cloud.ssh("n1", "systemctl", "show", "--value", "--property=Environment", "nova-compute")
    words = ("env", *environment.split(), "OS_OSLO_MESSAGING_RABBIT__PROCESSNAME=quorate-test")
    assert cloud.ssh("n1", *words, "python3", "-c", CALL).split() == ["n1", "sitecustomize"]


def test_dead_machines_are_found_by_the_kernels_at_both_ends_of_a_connection_to_a_broker(
    cloud: Plane,
) -> None:
    """The kernel has a timer for each: to send a probe, or what was not acknowledged, once more."""
    for node in ("c1", "c2", "c3", "n1"):
        said = cloud.ssh(node, "ss", "-tnoH", "state", "established", "( sport = :5672 or dport = :5672 )")
        lines = said.splitlines()
        assert lines, node
        for line in lines:
            timer = re.search(r"timer:\((?:on|keepalive),([0-9.]*)(ms|sec)?,", line)
            assert timer, line
            assert timer[2] != "sec" or float(timer[1]) <= 4.0, line


ENTRY_POINTS = """
import importlib.util
from stevedore import _cache as ours
spec = importlib.util.spec_from_file_location("original", ours.__file__)
original = importlib.util.module_from_spec(spec)
spec.loader.exec_module(original)
print(ours._build_cacheable_data.__module__, original._build_cacheable_data.__module__)
print(ours._build_cacheable_data() == original._build_cacheable_data())
"""


def test_entry_points_are_found_as_the_library_itself_finds_them(cloud: Plane) -> None:
    environment = cloud.ssh("c1", "systemctl", "show", "--value", "--property=Environment", "keystone")
    said = cloud.ssh("c1", "env", *environment.split(), "python3", "-c", ENTRY_POINTS).split()
    assert said == ["sitecustomize", "original", "True"]


NEWEST_FIRST = """
cd $(mktemp -d)
cat > server.py <<END
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.9)
        self.send_response(204)
        self.end_headers()
        print(self.path, flush=True)
http.server.HTTPServer(("127.0.0.1", 18081), Handler).serve_forever()
END
cat > haproxy.cfg <<END
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout queue 60s
listen test
    bind 127.0.0.1:18080
$(grep -m1 set-priority-class /etc/haproxy/haproxy.cfg)
    server a 127.0.0.1:18081 maxconn 1
END
python3 server.py > served 2> /dev/null & server=$!
haproxy -q -f haproxy.cfg & balancer=$!
until curl -s http://127.0.0.1:18080/0; do sleep 0.1; done
for second in 1 2 3; do
    for _ in 1 2 3; do curl -s http://127.0.0.1:18080/$second & asked="$asked $!"; done
    sleep 1.1
done
wait $asked
kill $server $balancer
cat served
"""


def test_what_waits_for_a_server_is_served_newest_first(cloud: Plane) -> None:
    """With the line of the real configuration: who has waited longest is the likeliest to have gone."""
    served = cloud.ssh("c2", "bash", "-c", NEWEST_FIRST).split()
    assert len(served) == 10
    # Of the last three, whoever is not in hand already goes before all that is left of the first three.
    last_of_newest = max(place for place, path in enumerate(served) if path == "/3")
    assert served[last_of_newest + 1 :].count("/1") >= 1
    assert served[-1] == "/1"
