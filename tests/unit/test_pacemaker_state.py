"""Reading crm_mon."""

from __future__ import annotations

import pytest

from quorate.pacemaker.state import Failure, FenceEvent, parse

HEAD = """<pacemaker-result api-version="2.38" request="crm_mon --one-shot --output-as=xml">
  <summary>
    <current_dc present="true" version="3.0.0-3.0.0" name="c3" id="13" with_quorum="true"/>
    <cluster_options stonith-enabled="true" no-quorum-policy="stop" maintenance-mode="false"/>
  </summary>
  <nodes>
    <node name="c1" id="11" online="false" standby="false" maintenance="false" pending="false" unclean="true"
      is_dc="false" type="member"/>
    <node name="c2" id="12" online="true" standby="true" maintenance="false" pending="false" unclean="false"
      is_dc="false" type="member"/>
    <node name="c3" id="13" online="true" standby="false" maintenance="false" pending="false" unclean="false"
      is_dc="true" type="member"/>
  </nodes>
"""
RESOURCES = """
  <resources>
    <resource id="vip-web" resource_agent="ocf:heartbeat:IPaddr2" role="Started" active="true" blocked="false"
      managed="true" failed="false" nodes_running_on="1"><node name="c3" id="13" cached="true"/></resource>
    <resource id="fence-c1" resource_agent="stonith:fence_ipmilan" role="Stopped" blocked="false"
      managed="true" failed="true" nodes_running_on="0"/>
    <clone id="db-clone" multi_state="true">
      <resource id="db" resource_agent="ocf:heartbeat:galera" role="Promoted" active="true" managed="true"
        failed="false"><node name="c3" id="13"/></resource>
      <resource id="db" resource_agent="ocf:heartbeat:galera" role="Unpromoted" active="true" managed="true"
        failed="false" pending="Promoting"><node name="c2" id="12"/></resource>
    </clone>
    <group id="files"><resource id="disk" resource_agent="ocf:heartbeat:Filesystem" role="Started"
      managed="false" failed="false" blocked="true"><node name="c2" id="12"/></resource></group>
  </resources>
"""
TAIL = """
  <failures>
    <failure op_key="fence-c1_start_0" node="c2" exitstatus="Error occurred" exitreason="" exitcode="1"
      task="start"/>
    <failure op_key="my_db_monitor_15000" node="c2" exitreason="not synced" task="monitor"/>
  </failures>
  <fence_history status="0">
    <fence_event status="failed" exit-reason="no route to BMC" action="reboot" target="c1"
      client="pacemaker-controld.1" origin="c3" delegate="c2" completed="2026-11-22 11:59:02Z"/>
  </fence_history>
  <status code="0" message="OK"/>
</pacemaker-result>"""


def test_the_whole_of_it() -> None:
    state = parse(HEAD + RESOURCES + TAIL)
    assert (state.dc, state.quorate, state.maintenance) == ("c3", True, False)
    c1, c2 = state.node("c1"), state.node("c2")
    assert c1 is not None and c1.unclean and not c1.online
    assert c2 is not None and c2.standby and c2.online
    assert state.node("c9") is None
    assert state.holder("vip-web") == "c3"
    assert state.holder("fence-c1") == ""
    assert [one.nodes for one in state.instances("db") if one.role == "Promoted"] == [("c3",)]
    assert state.instances("db") == state.instances("db-clone")
    assert set(state.holders("db-clone")) == {"c2", "c3"}
    assert [one.pending for one in state.instances("db")] == ["", "Promoting"]
    (disk,) = state.instances("files")
    assert (disk.id, disk.parent, disk.blocked, disk.managed) == ("disk", "files", True, False)
    assert state.failures == (
        Failure("fence-c1", "c2", "start", "Error occurred"),
        Failure("my_db", "c2", "monitor", "not synced"),
    )
    assert state.fencing == (
        FenceEvent("c1", "reboot", "failed", "c3", "c2", "2026-11-22 11:59:02Z", "no route to BMC"),
    )


def test_a_cluster_without_a_coordinator_or_quorum() -> None:
    head = HEAD.replace(
        'present="true" version="3.0.0-3.0.0" name="c3" id="13" with_quorum="true"', 'present="false"'
    )
    state = parse(head + TAIL)
    assert (state.dc, state.quorate, state.resources) == ("", False, ())


@pytest.mark.parametrize(
    "text",
    [
        "crm_mon: error",
        '<pacemaker-result><status code="102" message="Not connected"/></pacemaker-result>',
    ],
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"crm_mon"):
        parse(text)
