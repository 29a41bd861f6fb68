"""What ``plan`` prints, and how a cluster becomes known by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_things import NODES, connect_to

from quorate.cli import apply as cli
from quorate.cli.common import Target
from quorate.engine.plan import make_plan
from quorate.errors import PreconditionError
from quorate.home import Home
from quorate.resources.base import Placed, Stage
from quorate.resources.file import file
from quorate.spec.model import Cluster
from quorate.transport.fake import FakeNode

KEY = "0123456789abcdef0123456789abcdef"


async def test_a_plan_is_a_diff_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    conf, key = file("/etc/x", "new\n"), file("/etc/key", KEY, secret=True)
    state = {
        "file:/etc/x": {**conf.desired, "sha256": "0", "content": "old\n"},
        "file:/etc/key": {"type": "absent"},
    }
    nodes = {name: FakeNode(name, dict(state), "refuse" if name == "c3" else "") for name in NODES}
    desired = [Placed(Stage.CONFIG, name, one) for name in NODES for one in (conf, key)]
    cli._show(await make_plan(desired, connect_to(nodes)), len(desired), 3)
    out, err = capsys.readouterr()
    assert "-old" in out and "+new" in out and "4 steps on 2 nodes" in out and "--expect" in out
    assert "(secret)" in out and KEY not in out
    assert "c3" in err


async def test_nothing_to_do_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    conf = file("/etc/x", "new\n")
    node = FakeNode("c1", {conf.id: dict(conf.desired)})
    cli._show(await make_plan([Placed(Stage.CONFIG, "c1", conf)], connect_to({"c1": node})), 1, 1)
    assert capsys.readouterr().out.startswith("Nothing to do: 1 resources")


def test_an_applied_file_is_known_by_the_clusters_name(tmp_path: Path, good_cluster: Cluster) -> None:
    home, mine = Home(tmp_path / "home"), tmp_path / "mine.yaml"
    home.create()
    mine.write_text("x")
    cli._remember(Target(good_cluster, home, mine))
    cli._remember(Target(good_cluster, home, mine))
    assert home.spec.read_text() == "x"
    cli._remember(Target(good_cluster, home, home.spec))
    assert home.spec.resolve() == mine
    home.spec.unlink()
    home.spec.write_text("its own")
    with pytest.raises(PreconditionError, match="of its own"):
        cli._remember(Target(good_cluster, home, mine))
