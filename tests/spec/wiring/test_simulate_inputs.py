"""What `qd sim run` is given becomes nodes, jobs and policies, each with its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.wiring.simulate.formats import Format
from quarterdeck.wiring.simulate.inputs import READERS, load_cluster, load_policies

SITE = """\
name: here
hardware:
  own: {cpus: 8, memory: 64GiB, power_kw: 1.5, gpu: {model: X, count: 2, memory: 16GiB}}
nodes:
  - {names: a, type: own}
  - {names: b, type: dgx-a100}
  - {names: c, type: t4}
"""


def test_nodes_have_the_power_that_their_types_say(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    cluster = load_cluster(path)
    assert [node.name for node in cluster.nodes] == ["a", "b", "c"]
    assert cluster.watts == {"a": 1500.0, "b": 6500.0}


def test_without_any_policy_there_is_the_usual_one(tmp_path: Path) -> None:
    (usual,) = load_policies([], [])
    assert (usual.name, usual.policy) == ("usual", Policy())
    path = tmp_path / "quick.yaml"
    path.write_text("order: shortest\n")
    found = load_policies([path], ["1h"])
    assert [one.name for one in found] == ["quick", "patience 1h00m"]
    assert [one.policy.order for one in found] == [Order.SHORTEST, Order.FIRST_COME]
    with pytest.raises(Invalid, match="two policies are called 'patience 1h00m'"):
        load_policies([], ["1h", "60m"])


def test_every_format_that_can_be_asked_for_has_a_reader() -> None:
    assert set(READERS) == set(Format)
